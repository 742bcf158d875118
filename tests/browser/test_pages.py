"""The pages as a reader meets them: in Chromium, by mouse and by keyboard, in both themes."""

from __future__ import annotations

import re

import numpy as np
import pytest

from condensery.condensed.artifact import CondensedSet

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("name", ["report", "versus"])
def test_a_page_fits_its_window_and_follows_the_theme(opened, condensed, versus, artifacts, name):
    with opened({"report": condensed.page, "versus": versus.page}[name]) as page:
        for device, width in (("desk", 1180), ("phone", 360)):
            page.set_viewport_size({"width": width, "height": 800})
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                assert page.evaluate("document.documentElement.scrollWidth") <= width
                grounds = brightness(page, "body"), brightness(page, "section")
                ink = brightness(page, "svg text", "fill"), brightness(page, "td", "color")
                if scheme == "light":
                    assert min(grounds) > 230
                    assert max(ink) < 128
                else:
                    assert max(grounds) < 40
                    assert min(ink) > 128
                page.screenshot(path=artifacts / f"{name}-{device}-{scheme}.png", full_page=True)


def brightness(page, part: str, kind: str = "backgroundColor") -> float:
    colour = page.eval_on_selector(part, f"each => getComputedStyle(each).{kind}")
    return float(np.mean([int(each) for each in re.findall(r"\d+", colour)[:3]]))


def visible(page, kind: str = "img") -> list[str]:
    word = {"img": "alt", "canvas": "aria-label"}[kind]
    return page.eval_on_selector_all(
        f".tiles {kind}",
        f"all => all.filter(x => x.offsetParent).map(x => x.getAttribute('{word}'))",
    )


def expected(condensed, size: int) -> list[str]:
    return [f"{name}, image {i + 1}" for name in condensed.classes for i in range(size)]


def test_the_slider_shows_exactly_the_images_of_its_size(opened, condensed):
    with opened(condensed.page) as page:
        assert visible(page) == expected(condensed, 4)
        for size in (1, 3, 2, 4):
            page.fill("#size", str(size))
            assert visible(page) == expected(condensed, size)
            assert page.inner_text("#chosen") == str(size)
            assert f"--ipc {size} " in page.inner_text("#take")
            assert f"as_dataset(ipc={size})" in page.inner_text("body")
            assert page.locator("tr.now").first.get_attribute("data-size") == str(size)


def test_the_slider_is_reached_and_moved_by_keys(opened, condensed):
    with opened(condensed.page) as page:
        page.focus("h1 >> xpath=ancestor::body")
        for _ in range(20):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.id") == "size":
                break
        assert page.evaluate("document.activeElement.id") == "size"
        shown = []
        for key in ("ArrowLeft", "Home", "ArrowRight", "End"):
            page.keyboard.press(key)
            shown.append(len(visible(page)) // len(condensed.classes))
        assert shown == [3, 1, 2, 4]
        assert "4 per class: 12 images" in page.get_attribute("#size", "aria-valuetext")


def test_the_view_as_trained_on_is_what_decoding_gives_pixel_by_pixel(opened, condensed):
    file = CondensedSet.load(condensed.path)
    decoded = file.decode(file.sizes)
    wanted = {}
    for image, label, rank in zip(decoded.images, decoded.class_, decoded.rank, strict=True):
        wanted.setdefault((condensed.classes[int(label)], int(rank)), []).append(image.numpy())
    with opened(condensed.page) as page:
        page.focus("input[value=stored]")
        page.keyboard.press("ArrowRight")  # by key, to the other view
        page.wait_for_selector(".tiles canvas")
        assert visible(page) == []
        shown = page.eval_on_selector_all(
            ".tiles canvas",
            """all => all.map(x => [x.getAttribute('aria-label'), [...x.getContext('2d')
                .getImageData(0, 0, x.width, x.height).data], x.width])""",
        )
        assert len(shown) == 4 * len(file.images)
        for label, pixels, side in shown:
            name, number, part = re.fullmatch(r"(.*), image (\d+), part (\d+)", label).groups()
            found = np.array(pixels).reshape(side, side, 4)[..., :3].transpose(2, 0, 1)
            image = wanted[name, int(number) - 1][int(part) - 1]
            assert np.abs(found - 255 * image).max() <= 0.51  # rounded to bytes
        page.fill("#size", "2")
        assert len(visible(page, "canvas")) == 2 * 4 * len(condensed.classes)
        page.check("input[value=stored]")
        assert visible(page) == expected(condensed, 2)
        assert visible(page, "canvas") == []


def test_sizes_that_are_counted_in_crops_are_shown_as_they_are_trained_on(opened, cropped):
    file = CondensedSet.load(cropped.path)
    with opened(cropped.page) as page:
        page.check("input[value=decoded]")
        page.wait_for_selector(".tiles canvas")
        sums = dict(
            page.eval_on_selector_all(
                ".tiles canvas",
                """all => all.map(x => [x.getAttribute('aria-label'), x.getContext('2d')
                    .getImageData(0, 0, x.width, x.height).data.reduce((a, b) => a + b, 0)])""",
            )
        )
        for size in (1, 3, file.sizes):
            page.fill("#size", str(size))
            found = [sums[label] for label in visible(page, "canvas")]
            images = file.decode(size).images.numpy()
            wanted = [np.rint(255 * each).sum() + 255 * each[0].size for each in images]
            assert len(found) == len(wanted) == 4 * size * len(file.class_names)
            assert np.allclose(sorted(found), sorted(wanted), atol=8)  # roundings of a half


def order(page) -> list[str]:
    return page.eval_on_selector_all(
        "table.sorted tbody", "all => all.map(body => body.dataset.name)"
    )


def test_a_table_is_sorted_by_any_column_and_by_keys(opened, versus):
    with opened(versus.page) as page:
        assert order(page) == ["mdc", "idc", "dc"]
        heads = page.locator("table.sorted thead button")
        heads.nth(1).click()  # size 1, the best on top
        assert order(page) == ["dc", "mdc", "idc"]
        heads.nth(1).click()
        assert order(page) == ["idc", "mdc", "dc"]
        heads.nth(2).click()  # what is not known comes last
        assert order(page) == ["idc", "mdc", "dc"]
        heads.nth(2).press("Enter")
        assert order(page) == ["mdc", "idc", "dc"]
        states = page.eval_on_selector_all(
            "table.sorted thead th", "all => all.map(head => head.getAttribute('aria-sort'))"
        )
        assert [state for state in states if state] == ["ascending"]
        assert states[2] == "ascending"
        heads.nth(0).press(" ")
        assert order(page) == ["mdc", "idc", "dc"]


def test_published_figures_move_with_their_run(opened, versus):
    with opened(versus.page) as page:
        page.locator("table.sorted thead button").nth(1).click()
        after = page.eval_on_selector_all(
            "table.sorted tr", "all => all.slice(1).map(row => row.cells[1].innerText)"
        )
        assert [cell.split()[0] for cell in after][:4] == ["55.0", "15.4", "50.0", "49.6"]


def test_what_is_folded_opens_by_a_key(opened, condensed):
    with opened(condensed.page) as page:
        summary = page.locator("summary", has_text="The whole recipe")
        assert not page.locator("pre", has_text='"iterations": 5').is_visible()
        summary.press("Enter")
        assert page.locator("pre", has_text='"iterations": 5').is_visible()


def test_a_row_under_the_pointer_is_shown_in_the_chart(opened, versus):
    pale = """all => [...new Set(all.filter(x => getComputedStyle(x).opacity < 1)
        .map(x => x.dataset.line))].sort()"""
    with opened(versus.page) as page:
        lines = "section.compared svg [data-line]"
        assert page.eval_on_selector_all(lines, pale) == []
        page.hover("tbody[data-name=idc]")
        assert page.eval_on_selector_all(lines, pale) == ["0", "2"]
        page.hover("h1")
        assert page.eval_on_selector_all(lines, pale) == []
