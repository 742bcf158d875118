from __future__ import annotations

import base64
import io
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from condensery.condensed.artifact import CondensedSet
from condensery.report import write_report
from condensery.report.tiles import rgb, tile_rows


class WrittenPage(HTMLParser):
    """Elements, their attributes, and the text outside of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._inside: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self._inside.append(tag)

    def handle_endtag(self, tag):
        if tag in ("script", "style"):
            self._inside.pop()

    def handle_data(self, data):
        if not self._inside:
            self.words.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


@pytest.fixture
def report(tmp_path, condensed):
    def make(**parts) -> tuple[str, WrittenPage]:
        path = write_report(tmp_path / "report.html", condensed=condensed, **parts)
        text = path.read_text(encoding="utf-8")
        return text, WrittenPage(text)

    return make


@pytest.fixture
def whole(report, observations, metrics, proxy, run_facts):
    return report(observations=observations, metrics=metrics, proxy=proxy, run=run_facts)


def test_nothing_is_requested_from_outside(whole):
    text, page = whole
    assert "http:" not in text
    assert "https:" not in text
    for tag, attributes in page.elements:
        for key in ("src", "href", "xlink:href", "action", "data", "poster", "srcset"):
            if attributes.get(key) is not None:
                assert attributes[key].startswith(("data:", "#")), (tag, attributes[key][:80])
    assert all(url.startswith("#") for url in re.findall(r"url\(([^)]*)\)", text))
    assert "@import" not in text
    policy = page.all("meta")[3]
    assert policy["http-equiv"] == "Content-Security-Policy"
    assert "default-src 'none'" in policy["content"]


def test_every_picture_says_what_it_shows(whole):
    _, page = whole
    assert len(page.all("img")) == 10
    assert [image["alt"] for image in page.all("img")][:2] == ["cat, image 1", "cat, image 2"]
    assert len(page.all("svg")) == 5  # accuracy, bytes, time, history, distances
    assert all(svg["role"] == "img" and svg["aria-label"] for svg in page.all("svg"))


def test_names_and_recipes_are_escaped(whole):
    text, page = whole
    assert text.count("<script") == 2  # our two
    assert "alert(1)" in page.text
    assert "<script>alert(1)</script>" in page.text  # as text
    assert page.text.startswith("pets & co <b>: condensed set")
    assert "Linux <x86>" in page.text


def test_hostile_text_cannot_leave_the_recipe_the_path_or_the_data(tmp_path, pets, run_facts):
    evil = '</script></pre><img src=x onerror="a">'
    facts = pets.manifest(
        class_names=[evil, "b", "c"],
        name=evil,
        recipe={evil: evil},
        method=evil,
        data={"name": evil, "classes": 3},
    )
    path = pets.write(tmp_path / "a'b <i> $(x).safetensors", pets.arrays(), facts)
    out = write_report(
        tmp_path / "r.html",
        condensed=path,
        observations=[pets.observation(network=evil, protocol=evil)],
        run=run_facts | {"recipe": {evil: [evil]}, "versions": {evil: evil}},
    )
    page = WrittenPage(out.read_text(encoding="utf-8"))
    assert len(page.all("img")) == 10
    assert all(image["src"].startswith("data:") for image in page.all("img"))
    assert len(page.all("script")) == 2
    assert "i" not in {tag for tag, _ in page.elements}
    assert "condensery take 'a'\"'\"'b <i> $(x).safetensors' --ipc 4" in page.text


def test_ids_are_used_once_and_labels_lead_somewhere(whole):
    _, page = whole
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    named = {a["aria-labelledby"] for _, a in page.elements if "aria-labelledby" in a}
    assert named <= set(ids)
    assert len(named) == 6


def test_the_pictures_of_the_page_are_those_of_the_file(whole, condensed):
    _, page = whole
    file = CondensedSet.load(condensed)
    shown = {}
    for image in page.all("img"):
        pixels = Image.open(io.BytesIO(base64.b64decode(image["src"].split(",")[1])))
        shown[image["alt"], int(image["data-rank"])] = np.asarray(pixels)
    for row in range(len(file.images)):
        rank = int(file.rank[row])
        alt = f"{file.class_names[file.labels[row]]}, image {rank + 1}"
        assert np.array_equal(shown[alt, rank], rgb(file.images[row]))


def test_the_slider_knows_every_size(whole):
    _, page = whole
    (slider,) = page.all("input")
    assert (slider["type"], slider["min"], slider["max"], slider["value"]) == (
        "range",
        "1",
        "4",
        "4",
    )
    text = whole[0]
    sizes = json.loads(re.search(r'id="table">(.*?)</script>', text).group(1))
    assert [row["images"] for row in sizes] == ["3", "6", "8", "10"]
    assert [row["bytes"] for row in sizes] == ["612 B", "1.22 kB", "1.63 kB", "2.04 kB"]
    assert [row["ours"] for row in sizes] == [
        "50.0 ± 2.0",
        "",
        "",
        "70.0 ± 2.0",
    ]
    assert [row["gain"] for row in sizes] == ["+20.0", "", "", "+10.0"]


def test_the_page_says_how_the_file_was_made(whole):
    text = whole[1].text
    for words in (
        "Seed 5",
        "pets, 1,000 images, 3 classes",
        "abc123",
        "torch 2.6.0",
        "1 h 10 min",
        "1,384 MB",
        "10 images of 8 × 8 pixels, 3 channels",
        "1 % of the 1,000 training images",
        "Training and testing all of them took 24.0 s",
    ):
        assert words in text


def test_the_page_says_what_was_chosen_and_frozen_when(whole):
    assert "2 to 3 2 none 4 3 2 5 1 to 3 0 to 2" in whole[1].text


def test_the_page_says_the_distance_of_the_images_to_real_ones(whole, report):
    assert "At the end the mean over the sizes was 0.43" in whole[1].text
    assert "istance" not in report()[1].text


def test_the_course_of_a_run_is_over_cpu_time_if_every_measure_has_it(
    report, observations, metrics, proxy, run_facts
):
    timed = [line | {"cpu": 60.0 * line["outer"]} for line in proxy]
    parts = {"observations": observations, "metrics": metrics}
    run = run_facts | {"expert_cpu_seconds": 120.0}
    text, page = report(**parts, proxy=timed, run=run)
    assert "Condensing took 4 min of CPU time, and the training of its experts 2 min." in page.text
    assert "+15.0 points over random images" in page.text
    assert page.text.count("At the end the mean over the sizes was 0.43") == 1
    assert len(page.all("svg")) == 5
    assert "CPU minutes" in text
    assert "experts</text>" in text
    untimed, _ = report(**parts, proxy=proxy, run=run)
    assert "CPU" not in untimed


def test_baselines_are_in_chart_and_table(report, pets):
    seen = [
        pets.observation(size=size, set=name, seed=seed, accuracy=accuracy)
        for name, accuracy in (("condensed", 0.5), ("herding", 0.425), ("c & co", 0.25))
        for size in (1, 4)
        for seed in range(2)
    ]
    text, page = report(observations=seen)
    no_random = (
        "bytes this file, % herding, % c & co, % seconds a network 1 3 612 B 50.0 ± 0.0 42.5"
    )
    assert no_random in page.text
    assert "Gain: in points" not in page.text
    assert "c &amp; co" in text.partition("<table")[0]  # the legend of the chart


def test_sizes_are_shown_as_a_share_of_what_all_images_give(report, pets, observations):
    seen = [
        *observations,
        *(
            pets.observation(set="whole", size=333, seed=seed, accuracy=0.77, images=1000, steps=90)
            for seed in range(2)
        ),
        pets.observation(set="whole", size=333, accuracy=0.1, images=1000, steps=9),  # shorter
    ]
    text, page = report(observations=seen)
    assert (
        "Size 1 keeps 65 % of what all 1,000 images give, at 0.3 % of the images. "
        "Size 4 keeps 91 % of what all 1,000 images give, at 1 % of the images." in page.text
    )
    table = page.text[page.text.index("images per class images") :]
    assert "1 3 612 B 50.0 ± 2.0 64.9 % 30.0" in table
    assert "4 10 2.04 kB 70.0 ± 2.0 90.9 % 60.0" in table
    assert "all images 77.0 ± 0.0 100 %" in table
    assert "Gain: in points" in table
    assert ">333<" not in text.partition("<table")[0]  # no point of the chart
    assert "all 1,000 training images by the same protocol with hard labels, 90 steps" in page.text


def test_robust_scores_are_shown_when_all_images_were_tested(report, pets, tmp_path):
    record = {
        "size": 1,
        "accuracy": 0.5,
        "std": None,
        "random": 0.25,
        "random_std": None,
        "networks": ["convnet3"],
        "seeds": 1,
        "protocol": "idc",
        "epochs": None,
        "steps": 700,
        "precision": "fp32",
        "whole": {"accuracy": 0.75, "std": None, "seeds": 1, "images": 1000, "steps": 90},
    }
    file = pets.write(
        tmp_path / "seen.safetensors", pets.arrays(), pets.manifest(observations=[record])
    )
    page = WrittenPage(write_report(tmp_path / "a.html", condensed=file).read_text("utf-8"))
    assert "idc 700 steps convnet3 1 0.269 –" in page.text  # gain and loss are equal
    assert "Size 1 keeps 67 % of what all 1,000 images give" in page.text
    assert "LRS" not in report()[1].text


def test_several_architectures_stand_in_one_table_by_protocol(report, pets):
    seen = [
        pets.observation(network=network, set=name, accuracy=accuracy, **change)
        for network, accuracy in (("convnet3", 0.5), ("mlp", 0.375))
        for name, change in (("condensed", {}), ("random", {}), ("condensed", {"protocol": "dsa"}))
    ]
    text, page = report(observations=seen[:5])
    assert "Across architectures protocol idc, 700 steps images per class 1 convnet3" in page.text
    assert page.text.count("gain 0.0") == 2
    assert "Accuracy by architecture, protocol dsa" not in text  # one architecture
    _, alone = report(observations=seen[:3])
    assert "Across architectures" not in alone.text


@pytest.mark.parametrize(("network", "there"), [("convnet3-w32", True), ("mlp", False)])
def test_published_figures_stand_beside_the_networks_they_were_measured_with(
    tmp_path, pets, network, there
):
    data = {"name": "cifar10", "fingerprint": "x", "images": 50000, "classes": 3}
    tensors = {
        "images": np.zeros((30, 3, 4, 4), np.uint8),
        "labels": np.tile(np.arange(3), 10),
        "rank": np.repeat(np.arange(10, dtype=np.int32), 3),
    }
    path = pets.write(tmp_path / "ten.safetensors", tensors, pets.manifest(tensors, data=data))
    seen = [pets.observation(network=network, size=size) for size in (1, 10)]
    out = write_report(tmp_path / "r.html", condensed=path, observations=seen)
    page = WrittenPage(out.read_text(encoding="utf-8"))
    assert ("published MDC" in page.text) is there
    assert ("published, %" in page.text) is there
    assert "What is published for cifar10" in page.text
    assert "mdc 49.6 53.8" in page.text


def test_a_run_says_how_it_ended(report):
    _, page = report(run={"ended": "by its time budget, after 3 of 6 iterations"})
    assert "Ended by its time budget, after 3 of 6 iterations" in page.text


def test_only_a_set_that_decodes_offers_to_show_what_is_trained_on(tmp_path, pets, report):
    assert "as trained on" not in report()[1].text
    facts = pets.manifest(decode={"kind": "multi-formation", "factor": 2, "order": "image"})
    path = pets.write(tmp_path / "f.safetensors", pets.arrays(), facts)
    page = WrittenPage(
        write_report(tmp_path / "r.html", condensed=path).read_text(encoding="utf-8")
    )
    assert "as trained on: 4 from each" in page.text


def test_the_caveats_name_protocol_shortening_seeds_and_privacy(whole):
    text = whole[1].text
    for words in (
        "convnet3, protocol idc, 700 steps: 3 networks for each point.",
        "shortened to 700 optimiser steps",
        "after its last step",
        "one condensation run (seed 5)",
        "privacy",
    ):
        assert words in text


def test_caveats_follow_what_was_measured(each, report, pets):
    for change, words, there in each(
        [
            ({"steps": None, "epochs": 1000}, "shortened", False),
            ({"steps": None, "epochs": 300}, "shortened to 300 of 1,000 epochs", True),
            ({"steps": None, "epochs": 999, "protocol": "frepo-hard"}, "of 1,000 epochs", True),
            ({"steps": None, "epochs": 2999, "protocol": "imagenet"}, "of 2,000 epochs", False),
            ({"steps": None, "epochs": 1999, "protocol": "imagenet"}, "of 2,000 epochs", True),
            ({"steps": None, "epochs": None, "protocol": "kip"}, "shortened", False),
            ({"steps": None, "epochs": 3, "protocol": "of somebody else"}, "shortened", False),
            ({}, "One network says nothing about the spread", True),
            ({}, "No random real images were tested", True),
            ({"training_accuracy": 0.5}, "images correctly: 50.0 % (size", True),
            ({"training_accuracy": 1.0}, "classify only", False),
        ]
    ):
        _, page = report(observations=[pets.observation(**change)])
        assert (words in page.text) is there


def test_a_file_alone_makes_a_page_that_says_what_is_missing(report):
    text, page = report()
    assert "condensery evaluate condensed.safetensors --data DATA" in page.text
    assert "recorded no losses" in page.text
    assert "Machine not recorded" in page.text
    assert "Time to condense not recorded" in page.text
    assert len(page.all("svg")) == 1
    assert "this file, %" not in text


def test_the_averages_in_the_file_stand_in_for_lines_that_are_not_there(tmp_path, pets):
    record = {"size": 4, "accuracy": 0.625, "std": 0.0, "random": None, "random_std": None}
    record |= {"networks": ["convnet3"], "seeds": 1, "protocol": "idc", "epochs": 1000}
    path = pets.write(
        tmp_path / "a.safetensors", pets.arrays(), pets.manifest(observations=[record])
    )
    page = WrittenPage(
        write_report(tmp_path / "r.html", condensed=path).read_text(encoding="utf-8")
    )
    assert "62.5" in page.text
    assert "Nothing has been evaluated" not in page.text


def test_any_fact_of_the_run_may_be_missing(each, report, run_facts):
    for part in each(["recipe", "versions", "machine", "seconds", "peak_memory_mb", "data"]):
        _, page = report(run={name: fact for name, fact in run_facts.items() if name != part})
        assert "What these numbers do not show" in page.text


def test_a_set_that_decodes_crop_by_crop_is_not_offered_to_be_cut(tmp_path, pets):
    facts = pets.manifest(decode={"kind": "multi-formation", "factor": 2, "order": "crop"})
    path = pets.write(tmp_path / "a.safetensors", pets.arrays(), facts)
    page = WrittenPage(
        write_report(tmp_path / "r.html", condensed=path).read_text(encoding="utf-8")
    )
    assert "condensery take" not in page.text
    assert "crop by crop" in page.text


def test_commands_name_the_file_as_seen_from_the_page(tmp_path, condensed):
    (tmp_path / "pages").mkdir()
    path = write_report(tmp_path / "pages" / "r.html", condensed=condensed)
    assert (
        "condensery take ../condensed.safetensors"
        in WrittenPage(path.read_text(encoding="utf-8")).text
    )


def test_the_same_input_gives_the_same_bytes_and_leaves_no_scraps(
    tmp_path, condensed, observations
):
    texts = set()
    for name in ("a", "b"):
        path = write_report(tmp_path / name, condensed=condensed, observations=observations)
        texts.add(path.read_bytes())
    assert len(texts) == 1
    assert {p.name for p in tmp_path.iterdir()} == {"a", "b", "condensed.safetensors"}


def test_grey_images_are_carried_as_grey_and_large_sets_as_previews(tmp_path, pets, monkeypatch):
    tensors = pets.arrays(channels=1)
    grey = pets.write(tmp_path / "g.safetensors", tensors, pets.manifest(tensors))
    file = CondensedSet.load(grey)
    source = tile_rows(file)[0].tiles[0].source
    assert Image.open(io.BytesIO(base64.b64decode(source.split(",")[1]))).mode == "L"
    monkeypatch.setattr("condensery.report.tiles._EXACT_UP_TO", 10)
    assert tile_rows(file)[0].tiles[0].source.startswith("data:image/jpeg")
    page = WrittenPage(
        write_report(tmp_path / "r.html", condensed=grey).read_text(encoding="utf-8")
    )
    assert "reduced previews" in page.text


def test_float_images_are_shown_as_rounded_bytes(pets):
    tensors = pets.arrays(channels=1)
    whole = tensors["images"].astype(np.float32) / 255
    whole[0, 0, 0, :3] = [0, 1, 0.5]
    set_ = pets.loaded(tensors | {"images": whole.astype(np.float16)})
    assert rgb(set_.images[0])[0, :3, 0].tolist() == [0, 255, 128]
    assert np.array_equal(rgb(set_.images[1])[..., 2], tensors["images"][1, 0])


def test_a_set_of_one_size_makes_a_page(tmp_path, pets, metrics):
    tensors = {key: value[:3] for key, value in pets.arrays().items()}
    path = pets.write(tmp_path / "one.safetensors", tensors, pets.manifest(tensors))
    out = write_report(
        tmp_path / "r.html", condensed=path, observations=[pets.observation()], metrics=metrics[:1]
    )
    page = WrittenPage(out.read_text(encoding="utf-8"))
    assert page.all("input")[0]["max"] == "1"
    assert len(page.all("img")) == 3


@pytest.mark.parametrize(("planned", "there"), [(5, False), (40, True)])
def test_a_run_that_stopped_early_says_so(report, metrics, planned, there):
    _, page = report(metrics=metrics, run={"recipe": {"iterations": planned}})
    assert ("stopped in iteration 5 of 40" in page.text) is there
