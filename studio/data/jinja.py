"""The Jinja that chat templates are written for: sandboxed, with what real ones use.

A `{% generation %}` block comes out between two marks (`studio.data.marks`).
"""

import datetime
import json
from functools import lru_cache

import jinja2
import jinja2.ext
from jinja2 import Template
from jinja2.sandbox import ImmutableSandboxedEnvironment

from studio.data.marks import CLOSE, OPEN
from studio.errors import StudioError


class Generation(jinja2.ext.Extension):
    """`{% generation %}…{% endgeneration %}`: what the assistant says, enclosed in marks."""

    tags = {"generation"}

    def parse(self, parser: jinja2.parser.Parser) -> jinja2.nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_enclose"), [], [], body).set_lineno(line)

    def _enclose(self, caller: jinja2.runtime.Macro) -> str:
        return OPEN + caller() + CLOSE


def _refuse(message: str) -> None:
    raise jinja2.TemplateError(message)


def _to_json(value: object, ensure_ascii: bool = False, indent: int | None = None, **options: object) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, **options)


def _environment() -> ImmutableSandboxedEnvironment:
    extensions = [Generation, jinja2.ext.loopcontrols]
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=extensions)
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _refuse
    environment.globals["strftime_now"] = lambda form: datetime.datetime.now().strftime(form)
    return environment


@lru_cache(maxsize=64)
def compile_template(source: str, name: str) -> Template:
    """Raises StudioError with the line where the template does not parse."""
    try:
        return _environment().from_string(source)
    except jinja2.TemplateSyntaxError as error:
        raise StudioError("data_template_broken", name=name, line=error.lineno, why=error.message) from None
