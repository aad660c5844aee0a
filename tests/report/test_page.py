"""The report as HTML: complete in itself, and nothing in a row is ever more than text."""

from html.parser import HTMLParser

import numpy as np
import pytest
from helpers import replaced

ATTACK = '</script><script>alert(1)</script><img src=x onerror="alert(2)"> \u2028 " onfocus="alert(3) {{ 7 * 7 }}'


class Page(HTMLParser):
    """Tags with their attributes, and the text of table cells, notes, options and scripts."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.texts, self.cells = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag == "td":
            self.cells.append("")

    def handle_data(self, data):
        self.texts.append(data)
        if self.cells:
            self.cells[-1] += data

    def count(self, tag):
        return sum(name == tag for name, _ in self.tags)

    def values(self, attribute):
        return [attributes[attribute] for _, attributes in self.tags if attribute in attributes]


@pytest.fixture
def page(report, tmp_path):
    """Make a report's page, parsed."""

    def make(*args, **changes):
        report(*args, **changes).to_html(tmp_path / "report.html")
        return Page((tmp_path / "report.html").read_text(encoding="utf-8"))

    return make


def test_markup_in_a_text_a_group_or_a_finding_is_shown_as_text(page, rows):
    X = replaced(rows["X"], row0=ATTACK, row1=ATTACK, row59=ATTACK)
    plain = page(groups=["a", "b"] * 30, sample_weight_=np.arange(60.0), n_rows=3)
    attacked = page(
        X=X,
        real_X=replaced(rows["real_X"], row0=ATTACK),
        groups=[ATTACK, "b"] * 30,
        sample_weight_=np.arange(60.0),
        n_rows=3,
    )
    assert attacked.count("script") == plain.count("script") == 1
    assert attacked.count("img") == 0
    assert not any(name.startswith("on") for _, attributes in attacked.tags for name in attributes)
    shown = ATTACK.replace("\u2028", r"\u2028")
    assert sum(shown in cell for cell in attacked.cells) >= 30 + 3  # groups and texts; and the nearest real texts
    assert any(shown in text for text in attacked.texts)
    assert f"={shown}" in attacked.values("value")  # of the filter by group


def test_labels_are_escaped_too(rows, tiny_encoder, tmp_path):
    from helpers import QUICK

    from skweight import weight_report
    from skweight.baselines import CrossEntropyClassifier

    y = [ATTACK, "b"] * 30
    clf = CrossEntropyClassifier(tiny_encoder, **QUICK).fit(rows["X"], y)
    page = Page(weight_report(clf, rows["X"], y)._repr_html_())
    assert page.count("script") == 1
    assert page.count("img") == 0


def test_nothing_is_loaded_from_elsewhere(page):
    made = page()
    assert not {"link", "iframe", "img", "object"} & {tag for tag, _ in made.tags}
    assert made.values("src") == made.values("href") == []
    assert not any("http" in text or "@import" in text or "url(" in text for text in made.texts)


def test_every_row_is_in_the_table_with_its_values(page, rows):
    made = page(sample_weight_=np.arange(60.0), groups=["a", "b"] * 30)
    cells = [attributes for tag, attributes in made.tags if tag == "td" and "data-column" in attributes]
    weights = [float(cell["data-value"]) for cell in cells if cell["data-column"] == "weight"]
    assert weights == [float(i) for i in range(59, -1, -1)]  # heaviest first
    assert [cell["data-value"] for cell in cells if cell["data-column"] == "group"][:2] == ["b", "a"]
    assert any(rows["X"][59] in cell for cell in made.cells)


def test_a_notebook_gets_a_part_of_a_page_whose_style_is_for_that_part_alone(report):
    part = report()._repr_html_().strip()
    assert part.startswith('<div class="skweight-report">')
    assert part.endswith("</div>")
    page = Page(part)
    assert not {"html", "head", "body", "main", "title"} & {tag for tag, _ in page.tags}
    (style,) = [text for text in page.texts if "color-scheme" in text]
    outside = style.strip().removeprefix(".skweight-report {").removesuffix("}")
    assert outside.count("{") == outside.count("}")  # one rule, with all others inside it


def test_a_long_table_holds_both_ends_and_a_sample_and_says_so(report, monkeypatch):
    from skweight._report.page import _sample

    weight = np.arange(100.0)
    chosen = _sample(weight, 30)
    assert len(chosen) == len(set(chosen.tolist())) == 30
    assert chosen[:10].tolist() == list(range(99, 89, -1))
    assert chosen[-10:].tolist() == list(range(9, -1, -1))
    assert (np.diff(weight[chosen]) < 0).all()
    assert "30 of 60 rows: the 10 of highest weight, the 10 of lowest, and a random sample of the others." in (
        report()._page(most=30, whole=True)
    )


def test_controls_have_names_and_columns_a_scope(page):
    made = page(groups=["a", "b"] * 30)
    heads = [attributes for tag, attributes in made.tags if tag == "th"]
    assert heads
    assert all(head.get("scope") in ("col", "row") for head in heads)
    assert made.count("label") == made.count("select") + made.count("input")
    assert all(attributes.get("type") == "button" for tag, attributes in made.tags if tag == "button")
    assert ("html", {"lang": "en"}) in made.tags


@pytest.mark.parametrize("weight", [np.zeros(60), np.full(60, 1e-300), np.r_[np.ones(59), 1e12]])
def test_strange_weights_can_be_drawn(page, weight):
    assert page(sample_weight_=weight).count("td") > 60
