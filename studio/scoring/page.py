"""A report as HTML: one file with its own style, no script, and nothing of any other host. All texts are escaped."""

from collections.abc import Iterator
from html import escape

from studio.scoring import document
from studio.scoring.report import Report
from studio.text import Catalogue

STYLE = """
.report { --ink: #1f2328; --quiet: #59636e; --line: #d1d9e0; --paper: #fff; --better: #1a7f37; --worse: #cf222e;
  color: var(--ink); font: 15px/1.5 system-ui, "Noto Sans CJK SC", sans-serif; max-width: 76rem; margin: 0 auto; }
.report h1 { font-size: 1.6rem; } .report h2 { font-size: 1.2rem; margin: 2rem 0 .5rem; }
.report h3 { font-size: 1rem; } .report h4 { font-size: .9rem; margin: 1rem 0 .3rem; }
.report .quiet, .report .unclear { color: var(--quiet); }
.report .better { color: var(--better); } .report .worse { color: var(--worse); }
.report p.better, .report p.worse { font-weight: 600; }
.report .scroll { overflow-x: auto; }
.report table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
.report th, .report td { border-bottom: 1px solid var(--line); padding: .3rem .8rem; text-align: right;
  white-space: nowrap; }
.report thead th { white-space: normal; vertical-align: bottom; }
.report th:first-child, .report td:first-child { text-align: left; }
.report svg { vertical-align: middle; margin-left: .6rem; }
.report details { border: 1px solid var(--line); border-radius: 6px; padding: .4rem .8rem; margin: .3rem 0; }
.report dt { color: var(--quiet); margin-top: .5rem; } .report dd { margin: 0; white-space: pre-wrap;
  overflow-wrap: anywhere; }
"""
DARK = """@media (prefers-color-scheme: dark) { body { background: #0d1117; }
  .report { --ink: #e6edf3; --quiet: #9198a1;
  --line: #3d444d; --better: #3fb950; --worse: #f85149; } }"""
GUARD = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
WIDTH, HEIGHT = 120, 14  # of an interval's picture


def whole(report: Report, t: Catalogue) -> str:
    """The file: it opens anywhere, without the studio."""
    title = escape(t("scoring.report.title"))
    return (
        f'<!doctype html>\n<html lang="{escape(t.language)}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{GUARD}">'
        f"<title>{title}</title><style>{STYLE}{DARK}</style></head>\n<body>\n{body(report, t)}\n</body></html>\n"
    )


def body(report: Report, t: Catalogue) -> str:
    """The report within `<article class="report">`, without style: `STYLE` has it, or the page its own."""
    return '<article class="report">\n' + "\n".join(map(_block, document.blocks(report, t))) + "\n</article>"


def _block(block: document.Block) -> str:
    if isinstance(block, document.Heading):
        return f"<h{block.level}>{escape(block.text)}</h{block.level}>"
    if isinstance(block, document.Words):
        return f"<p{_tone(block.tone)}>{escape(block.text)}</p>"
    if isinstance(block, document.Table):
        return "".join(_table(block))
    texts = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in block.texts)
    return f"<details><summary>{escape(block.title)}</summary><dl>{texts}</dl></details>"


def _table(table: document.Table) -> Iterator[str]:
    yield '<div class="scroll"><table><thead><tr>'
    yield from (f"<th>{escape(word)}</th>" for word in table.head)
    yield "</tr></thead><tbody>"
    for row in table.rows:
        cells = (f"<td{_tone(cell.tone)}>{escape(cell.text)}{_bar(cell)}</td>" for cell in row)
        yield f"<tr>{''.join(cells)}</tr>"
    yield "</tbody></table></div>"


def _tone(tone: str) -> str:
    return f' class="{tone}"' if tone else ""


def _bar(cell: document.Cell) -> str:
    """The interval on a line whose middle is zero."""
    if cell.bar is None:
        return ""
    low, mean, high = (WIDTH / 2 * (1 + max(-1.0, min(1.0, end)) * 0.96) for end in cell.bar)
    middle, half = HEIGHT / 2, WIDTH / 2
    return (
        f'<svg width="{WIDTH}" height="{HEIGHT}" aria-hidden="true">'
        f'<line x1="{half}" x2="{half}" y1="0" y2="{HEIGHT}" stroke="currentColor" opacity=".3"/>'
        f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{middle}" y2="{middle}" stroke="currentColor" stroke-width="3"/>'
        f'<circle cx="{mean:.1f}" cy="{middle}" r="4" fill="currentColor"/></svg>'
    )
