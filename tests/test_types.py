"""Examples and groups: what the parts hand to each other."""

from __future__ import annotations

import torch

from condensery.types import ALL_CLASSES, Examples, Groups, by_class, nested


def examples(ranks=(0, 0, 1, 1, 2), classes=(0, 2, 0, 2, 0)):
    class_ = torch.tensor(classes)
    images = torch.arange(len(class_) * 4.0).reshape(-1, 1, 2, 2)
    return Examples(images=images, labels=class_ + 10, class_=class_, rank=torch.tensor(ranks))


def test_rows_take_all_columns_in_the_order_asked():
    given = examples()
    for index in (torch.tensor([3, 0]), torch.tensor([True, False, False, True, False])):
        found = given.rows(index)
        assert len(found) == 2
        for name in ("images", "labels", "class_", "rank"):
            assert torch.equal(getattr(found, name), getattr(given, name)[index])


def test_other_pixels_leave_everything_else():
    given = examples()
    found = given.with_images(given.images + 1)
    assert torch.equal(found.images, given.images + 1)
    assert found.labels is given.labels
    assert found.class_ is given.class_
    assert found.rank is given.rank


def test_images_and_labels_move_and_what_says_who_belongs_together_stays_on_the_cpu():
    found = examples().to("meta")
    assert {n: getattr(found, n).device.type for n in ("images", "labels", "class_", "rank")} == {
        "images": "meta", "labels": "meta", "class_": "cpu", "rank": "cpu"
    }  # fmt: skip


def test_one_group_is_made_for_every_class_present():
    groups = by_class(examples(classes=(2, 0, 2, 0, 2)))
    assert groups.class_.tolist() == [0, 2]
    assert groups.member.tolist() == [
        [False, True, False, True, False],
        [True, False, True, False, True],
    ]
    assert groups.size.tolist() == [2, 3]
    assert len(groups) == 2


def naive_members(given, sizes):
    """Row by row, as the docstring says: by profile, then class."""
    return [
        [
            int(given.rank[i]) < profile[class_] and int(given.class_[i]) == class_
            for i in range(len(given))
        ]
        for profile in sizes
        for class_ in range(len(profile))
    ]


def test_nested_groups_hold_the_ranks_below_the_size_of_their_class(each):
    for sizes in each([[[3, 3]], [[3, 3], [1, 1]], [[3, 3], [1, 2], [2, 3]]]):
        given = examples(classes=(0, 1, 0, 1, 0))
        groups = nested(given, torch.tensor(sizes), all_classes=False)
        assert groups.member.tolist() == naive_members(given, sizes)
        assert groups.class_.tolist() == [0, 1] * len(sizes)
        assert groups.size.tolist() == [size for profile in sizes for size in profile]


def test_joint_groups_hold_all_classes_of_a_profile():
    given = examples(classes=(0, 1, 0, 1, 0))
    groups = nested(given, torch.tensor([[3, 3], [1, 2]]), all_classes=True)
    assert groups.member.tolist() == [[True] * 5, [True, True, False, True, False]]
    assert groups.class_.tolist() == [ALL_CLASSES, ALL_CLASSES]
    assert groups.size.tolist() == [3, 2]


def test_a_class_smaller_than_asked_gives_all_it_has():
    given = examples(classes=(0, 1, 0, 1, 0))
    assert nested(given, torch.tensor([[3, 3]]), all_classes=False).member.sum(dim=1).tolist() == [
        3,
        2,
    ]


def groups_of(*classes):
    member = torch.eye(len(classes), dtype=torch.bool)
    class_ = torch.tensor(classes)
    return Groups(member=member, class_=class_, size=torch.arange(len(classes)))


def test_passes_hold_all_groups_of_a_few_classes(each):
    for classes, expected in each(
        [
            (1, [[0, 3], [1, 4], [2, 5]]),
            (2, [[0, 1, 3, 4], [2, 5]]),
            (3, [[0, 1, 2, 3, 4, 5]]),
            (9, [[0, 1, 2, 3, 4, 5]]),
        ]
    ):
        groups = groups_of(0, 1, 2, 0, 1, 2)
        passes = list(groups.passes(classes))
        assert [rows.tolist() for rows, _ in passes] == expected
        assert [
            members.tolist() for _, members in passes
        ] == expected  # example i is in group i alone


def test_a_pass_holds_more_classes_where_they_are_small(each):
    for most, expected in each(
        [
            (0, [[0], [1], [2], [3]]),
            (2, [[0], [1], [2], [3]]),
            (3, [[0], [1, 2], [3]]),
            (4, [[0], [1, 2], [3]]),
            (6, [[0, 1], [2, 3]]),
            (99, [[0, 1, 2, 3]]),
        ]
    ):
        labels = torch.repeat_interleave(torch.tensor([4, 2, 1, 5]))
        groups = by_class(examples(ranks=range(12), classes=labels.tolist()))
        passes = list(groups.passes(1, examples=most))
        assert [rows.tolist() for rows, _ in passes] == expected
        assert sorted(m for _, members in passes for m in members.tolist()) == list(range(12))


def test_a_pass_names_only_the_examples_of_its_groups():
    groups = nested(
        examples(classes=(0, 1, 0, 1, 0)), torch.tensor([[2, 1], [1, 1]]), all_classes=False
    )
    assert [members.tolist() for _, members in groups.passes(1)] == [[0, 2], [1]]


def test_joint_groups_form_a_pass_of_their_own():
    assert [rows.tolist() for rows, _ in groups_of(ALL_CLASSES, 0, ALL_CLASSES, 1).passes(1)] == [
        [0, 2],
        [1],
        [3],
    ]


def test_groups_can_be_cut_by_group_and_by_example():
    groups = groups_of(0, 1, 2)
    rows = groups.rows(torch.tensor([2, 0]))
    assert rows.class_.tolist() == [2, 0]
    assert rows.size.tolist() == [2, 0]
    assert rows.only(torch.tensor([0, 2])).member.tolist() == [[False, True], [True, False]]
