"""Every link of the documents has a target."""

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Folders whose names begin with a dot, and those of installed packages, have no documents.
DOCUMENTS = sorted(
    path.relative_to(ROOT)
    for folder in (".", "docs", "examples", "acceptance", "crates")
    for path in (ROOT / folder).glob("*.md" if folder == "." else "**/*.md")
    if "node_modules" not in path.parts and "target" not in path.relative_to(ROOT).parts
)
LINK = re.compile(r"!?\[[^\]]*\]\(\s*<?([^)\s>]+)|\b(?:src|href)=\"([^\"]+)\"")


def prose(text):
    """The text without its blocks and spans of code."""
    return re.sub(r"`[^`\n]*`", "", without_blocks(text))


def without_blocks(text):
    return re.sub(r"^ *```.*?^ *```$", "", text, flags=re.M | re.S)


def anchors(text):
    """The names under which the headings of a document can be linked, as GitHub makes them."""
    found = set()
    for heading in re.findall(r"^#{1,6} +(.*?) *#*$", without_blocks(text), re.M):
        shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
        name = re.sub(r"[^\w\- ]", "", shown.lower()).replace(" ", "-")
        again = 0
        while (name if not again else f"{name}-{again}") in found:
            again += 1
        found.add(name if not again else f"{name}-{again}")
    return found


def broken(document):
    """The broken links of a document within the repository."""
    text = (ROOT / document).read_text()
    for link in (first or second for first, second in LINK.findall(prose(text))):
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            continue
        target = (ROOT / document).parent / unquote(parts.path) if parts.path else ROOT / document
        if not target.exists():
            yield f"{link}: there is no such file"
        elif parts.fragment and parts.fragment not in anchors(target.read_text()):
            yield f"{link}: there is no such heading"


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_the_links_of_a_document_lead_somewhere(document):
    assert list(broken(document)) == []


# A file, or a folder with a slash at its end, as ARCHITECTURE.md writes it: below a crate, or by its name alone. `<noun>` is any name.
NAMED = re.compile(r"`([a-z<][\w<>-]*(?:/[\w.<>-]+)*(?:\.rs|\.js|/))`")


def is_there(name):
    """Whether a file or folder of that name exists; the first part of a longer name is its crate."""
    name = re.sub(r"<\w+>", "*", name).rstrip("/")
    crate, _, rest = name.partition("/")
    if rest and (ROOT / "crates" / crate).is_dir():
        return any(any((ROOT / "crates" / crate / place).glob(rest)) for place in ("src", "."))
    anywhere = (name, f"*/{name}", f"*/src/**/{name}")
    return (ROOT / name).exists() or any(any((ROOT / "crates").glob(place)) for place in anywhere)


@pytest.mark.parametrize("document", ["ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_the_files_that_a_document_names_exist(document):
    names = NAMED.findall((ROOT / document).read_text())

    assert len(names) > 3
    assert any("<" in name for name in names)
    assert [name for name in names if not is_there(name)] == []


def test_documents_are_found():
    assert {Path("README.md"), Path("ARCHITECTURE.md"), Path("docs/start/sdk/README.md")} <= set(DOCUMENTS)


def test_headings_have_the_names_that_github_gives_them():
    text = "# C#\n\n## What `serve` needs: TLS, ports\n\n```sh\n# no heading\n```\n\n## Limits\n\n### Limits\n"

    assert anchors(text) == {"c", "what-serve-needs-tls-ports", "limits", "limits-1"}


@pytest.mark.parametrize("link", ["nowhere.md", "docs/start/sdk/README.md#nowhere", "#nowhere"])
def test_a_link_that_leads_nowhere_is_found(link, tmp_path, monkeypatch):
    page = tmp_path / "docs" / "start" / "sdk" / "README.md"
    page.parent.mkdir(parents=True)
    page.write_text("# Official SDKs\n")
    (tmp_path / "README.md").write_text(f"# Readme\n\n[good](docs/start/sdk/README.md#official-sdks) and [bad]({link})\n")
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)

    assert [found.split(":")[0] for found in broken(Path("README.md"))] == [link]
