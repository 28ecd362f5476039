"""Padding, and the order of rows."""

from studio.worker.train.batches import Collator, LengthGrouped


def test_collator_pads_to_the_longest_row_and_masks_the_padding():
    batch = Collator(pad_token_id=9)(
        [{"input_ids": [1, 2, 3], "labels": [-100, 2, 3]}, {"input_ids": [4], "labels": [4]}]
    )
    assert batch["input_ids"].tolist() == [[1, 2, 3], [4, 9, 9]]
    assert batch["labels"].tolist() == [[-100, 2, 3], [4, -100, -100]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]


def test_each_epoch_is_another_order_of_all_rows_with_little_padding():
    lengths = [(i * 7919) % 400 + 1 for i in range(1003)]
    order = LengthGrouped(lengths, batch_size=4, seed=1)
    first = list(order)
    order.set_epoch(1)
    second = list(order)
    assert sorted(first) == sorted(second) == list(range(1003))
    assert first != second
    order.set_epoch(0)
    assert list(order) == first, "the order depends on seed and epoch alone, so a resume finds the same rows"
    padded = sum(4 * max(lengths[i] for i in first[start : start + 4]) for start in range(0, 1000, 4))
    assert sum(lengths) / padded > 0.95
    assert len(first[1000:]) == 3 and all(len(set(first[i : i + 4])) == 4 for i in range(0, 1000, 4))


def test_long_batches_do_not_all_come_first():
    lengths = list(range(1, 401))
    order = list(LengthGrouped(lengths, batch_size=4, seed=0))
    longest = [max(lengths[i] for i in order[start : start + 4]) for start in range(0, 400, 4)]
    assert longest != sorted(longest) and longest != sorted(longest, reverse=True)
