"""The configuration of the site, which `nox -s docs` builds from these pages.

Nothing is fetched, neither here nor by the pages: theme, fonts, search and scripts are in the site itself.
"""

import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from runpod_typed import __version__  # noqa: E402 -- the repository had to be found first
from scripts import docs_pages  # noqa: E402 -- the same

project = "runpod-typed"
author = "runpod-typed contributors"
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_design"]
exclude_patterns = ["_build"]
nitpicky = True  # a name that leads nowhere is a warning, and `nox -s docs` treats warnings as errors
nitpick_ignore_regex = [
    ("py:obj", r".*"),  # `words in single backticks` are a link if there is a target, and code if not
    ("py:.*", r"(?!runpod_typed).*"),  # what is not ours is documented elsewhere, and nothing is fetched to link to it
    ("py:.*", r".*\.(In|Out|Chunk|\w*T)"),  # type variables
    ("py:.*", r".*\.(Secret|_\w+)"),  # private classes; users pass a string instead of a Secret
]
default_role = "py:obj"
show_warning_types = True

myst_enable_extensions = ["colon_fence", "substitution"]
myst_substitutions = {"version": __version__}
myst_heading_anchors = 4
linkcheck_ignore = [r"https://repository\.example/"]  # the placeholder of pyproject.toml
suppress_warnings = ["myst.header"]  # a docstring or a generated part may begin with a lower heading

autodoc_class_signature = "mixed"
autodoc_default_options = {
    "members": True,
    "member-order": "bysource",
    "inherited-members": "RunpodError,BaseException,OSError,ValueError,StrEnum,str,dict,Generic",
}
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
add_module_names = False
python_maximum_signature_line_length = 88
python_use_unqualified_type_names = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True  # attributes as a list: their types stand in the signature

html_theme = "furo"
html_title = "runpod-typed"
html_favicon = "_static/favicon.svg"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_copyright = False
html_copy_source = False
html_theme_options: dict[str, Any] = {"top_of_page_buttons": []}
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"


def setup(app: Any) -> None:
    """Tell Sphinx what is ours: pages with generated parts, and public names for private modules."""
    app.connect("source-read", _fill_in)
    app.connect("missing-reference", _find_public_name)
    app.connect("autodoc-process-docstring", _keep_sentence, priority=400)  # Napoleon comes at 500
    app.connect("autodoc-process-docstring", _convert_docstring, priority=400)
    app.connect("autodoc-process-signature", _translate_signature)
    app.connect("object-description-transform", _drop_repeated_signature)


def _fill_in(_app: Any, page: str, source: list[str]) -> None:
    source[0] = docs_pages.fill_in(source[0], page=page)


def _find_public_name(app: Any, env: Any, node: Any, content: Any) -> Any:
    """Link to `runpod_typed.Job` where an annotation says `runpod_typed._sync.job.Job`."""
    public = docs_pages.public_name(node.get("reftarget", ""))
    if public is None or node.get("refdomain") != "py":
        return None
    domain = env.get_domain("py")
    return domain.resolve_xref(env, node["refdoc"], app.builder, "obj", public, node, content)


def _keep_sentence(_app: Any, what: str, *arguments: Any) -> None:
    """Let Napoleon not take the words before a colon for the type of an attribute: it looks at the first line alone."""
    if what in {"attribute", "data", "property"}:
        lines: list[str] = arguments[-1]
        lines[:0] = ["..", ""]  # an empty comment


def _convert_docstring(_app: Any, _what: str, name: str, *arguments: Any) -> None:
    lines: list[str] = arguments[-1]
    lines[:] = docs_pages.convert_fences(docs_pages.lead_with_example(name, lines))


def _drop_repeated_signature(_app: Any, _domain: str, kind: str, content: Any) -> None:
    """Show one of two overloads that differ only in `type` and `TypeForm`, which only type checkers need."""
    if kind in {"class", "method"}:
        for signature in content.parent.children[1:-1]:
            if "TypeForm" in signature.astext():
                content.parent.remove(signature)


def _translate_signature(
    _app: Any, _what: str, name: str, _thing: Any, _options: Any, signature: str | None, returns: str | None
) -> tuple[str | None, str | None]:
    return docs_pages.translate_signature(name, signature), returns
