"""The page: the only room that imports gradio.

app.py     the process that serves the page: address, port, browser
site.py    one page per language, mounted at its first visit
guard.py   who may come in
theme.py   colours, fonts, style sheet
events.py  our defaults for every listener, errors as toasts
form.py    controls made from the fields of a job
parts/     what several pages show: header, list of runs, monitor
pages/     one file a tab
assets/    style sheet and scripts, served from here and nowhere else
"""

import os

# Read by gradio when it is imported: nothing is reported to anyone, no version check, no history in the browser.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
