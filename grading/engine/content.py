"""Text that comes from a submission and ends in somebody's browser: nothing in it may act there."""

from __future__ import annotations

import re
from html.parser import HTMLParser

_TAGS = set(
    """
    a abbr b blockquote br caption code dd details div dl dt em figcaption figure h1 h2 h3 h4 h5 h6 hr i img li ol p
    pre q s small span strong sub summary sup table tbody td tfoot th thead tr tt u ul
    """.split()  # noqa: SIM905
)
_ATTRIBUTES = set(
    "class title role scope colspan rowspan aria-label aria-hidden style open alt width height id align".split()  # noqa: SIM905
)
_STYLES = set(
    """
    background-color border border-collapse border-left-width border-radius color font-size font-style font-weight
    margin max-width overflow-x padding text-align width vertical-align
    """.split()  # noqa: SIM905
)
_PICTURES = ("data:image/png;base64,", "data:image/jpeg;base64,")
# Words without which neither a tag, nor a link, nor MathJax can come to be.
_SUSPICIOUS = re.compile(r"[<&]|\]\s*[(:\[]|\\|!\[|:")
# MathJax makes links and attributes of these wherever it finds a formula.
_MATH = re.compile(r"\\(?=(href|require|cssId|class|style|csname|html|data|mmlToken|bbox|unicode)\b)", re.IGNORECASE)


def neutral(text: str) -> str:
    """HTML with nothing in it that acts: no scripts, frames, forms, handlers, foreign images, odd links."""
    text = _MATH.sub(r"\\ ", text)
    if "<" not in text and "&" not in text:
        return text
    import bleach
    from bleach.css_sanitizer import CSSSanitizer

    def allowed(tag: str, name: str, value: str) -> bool:
        if tag == "img" and name == "src":
            return value.startswith(_PICTURES)
        if tag == "a" and name == "href":
            return _goes_somewhere_harmless(value)
        return name in _ATTRIBUTES

    return bleach.clean(
        text, tags=_TAGS, attributes=allowed, protocols=["http", "https", "mailto", "data"], strip=False,
        strip_comments=True, css_sanitizer=CSSSanitizer(allowed_css_properties=_STYLES),
    )  # fmt: skip


def harmless(text: str) -> str:
    """Markdown as it is, unless the page made of it would act: then the same text as a listing."""
    if not acts(text):
        return text
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall(r"`+", text)), default=0))
    return f"{fence}text\n{text}\n{fence}"


def acts(text: str) -> bool:
    """Whether the page that nbconvert makes of this Markdown holds anything that acts."""
    if not _SUSPICIOUS.search(text):
        return False
    if _MATH.search(text):
        return True
    from nbconvert.filters import markdown2html

    try:
        page = str(markdown2html(text))
    except Exception:  # what the renderer cannot read, nobody needs to see rendered
        return True
    watcher = _Watcher()
    watcher.feed(page)
    watcher.close()
    return watcher.found


class _Watcher(HTMLParser):
    """Reads a page as a browser would and notes whether anything in it is not plainly harmless."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _TAGS:
            self.found = True
        for name, value in attrs:
            if name in ("href", "src"):
                value = value or ""
                good = _goes_somewhere_harmless(value) if tag == "a" else tag == "img" and value.startswith(_PICTURES)
                self.found = self.found or not good
            elif name not in _ATTRIBUTES or (name == "style" and value and ("url" in value or "\\" in value)):
                self.found = True

    def handle_comment(self, data: str) -> None:
        self.found = True

    def handle_decl(self, decl: str) -> None:
        self.found = True

    def unknown_decl(self, data: str) -> None:
        self.found = True

    def handle_pi(self, data: str) -> None:
        self.found = True


def _goes_somewhere_harmless(address: str) -> bool:
    """Whether a link is web, mail, or inside this page or course; browsers skip blanks and controls before a scheme."""
    plain = re.sub(r"[\x00-\x20\x7f-\xa0\u200b-\u200f]", "", address).lower()
    scheme = re.match(r"[^/?#]*?:", plain)
    return scheme is None or scheme[0] in ("http:", "https:", "mailto:")
