"""A zip stands for the folder of databases that was packed; one not to be trusted leaves nothing behind."""

import io
import json
import stat
import zipfile

import pytest
import shop

from studio.data.sql import databases, making, packed
from studio.errors import StudioError

ASKED = json.dumps([{"db_id": "shop", "question": "How many?", "query": "SELECT count(*) FROM customer"}])


@pytest.fixture
def base(tmp_path):
    """A database as bytes."""
    return shop.database(tmp_path / "made" / "shop.sqlite").read_bytes()


def zipped(file, members, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file


def spider(base):
    return {
        "spider_data/database/shop/shop.sqlite": base, "spider_data/database/shop/schema.sql": "CREATE",
        "spider_data/test_database/shop/shop.sqlite": base, "spider_data/tables.json": "[]",
        "spider_data/dev.json": ASKED, "__MACOSX/spider_data/database/shop/._shop.sqlite": b"x",
        "spider_data/.DS_Store": b"x", "spider_data/README.txt": "x",
    }  # fmt: skip


def bird(base):
    inner = {"dev_databases/shop/shop.sqlite": base, "dev_databases/shop/database_description/customer.csv": "a,b"}
    packed_inner = zipped(io.BytesIO(), inner).getvalue()
    return {"dev_20240627/dev.json": ASKED, "dev_20240627/dev_databases.zip": packed_inner}


@pytest.mark.parametrize("layout", [spider, bird, lambda base: {"shop.sqlite": base},
                                    lambda base: {"dbs\\shop\\shop.sqlite": base}])  # fmt: skip
def test_a_zip_stands_for_its_folder(tmp_path, base, layout, home):
    file, asked = zipped(tmp_path / "given.zip", layout(base)), tmp_path / "dev.json"
    asked.write_text(ASKED)
    row = making.preview(file, asked)
    assert row["db_id"] == "shop" and shop.SCHEMA in row["system"]
    assert making.make(file, asked, "sql").made[0].num_rows == 1
    (kept,) = (home / "cache" / "unpacked").iterdir()
    assert {one.suffix for one in kept.rglob("*") if one.is_file()} <= {".sqlite", ".json"}, "nothing that nobody reads"


def test_what_changed_is_unpacked_again(tmp_path, base):
    file = zipped(tmp_path / "given.zip", {"shop.db": base})
    first = databases.find(file)
    assert databases.find(file) == first and first.keys() == {"shop"}
    zipped(file, {"shop.db": base, "more/bank.db": base})
    assert databases.find(file).keys() == {"shop", "bank"}


@pytest.mark.parametrize("codec", ["utf-8", "gb18030"])
def test_names_that_another_system_wrote(tmp_path, base, codec):
    members = {"x" * 6 + ".db": base}
    file = zipped(tmp_path / "given.zip", members)
    name = "商店" if codec == "utf-8" else "商店表"
    assert len(name.encode(codec)) == 6
    file.write_bytes(file.read_bytes().replace(b"x" * 6, name.encode(codec)))
    assert databases.find(file).keys() == {name}


@pytest.mark.parametrize("name", ["../shop.sqlite", "a/../../shop.sqlite", "/tmp/shop.sqlite", "..\\shop.sqlite",
                                  "C:\\shop.sqlite", "../readme.txt"])  # fmt: skip
def test_paths_that_lead_out(tmp_path, base, name, home):
    refused(zipped(tmp_path / "given.zip", {"good.sqlite": base, name: base}), "zip_path", home)


def test_links(tmp_path, base, home):
    link = zipfile.ZipInfo("shop.sqlite")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    refused(zipped(tmp_path / "given.zip", {"good.sqlite": base, link: "/etc/passwd"}), "zip_path", home)


def test_bombs(tmp_path, monkeypatch, home):
    monkeypatch.setattr(packed, "FREE_BYTES", 1 << 20)
    monkeypatch.setattr(packed, "MAX_GROWTH", 10)
    refused(zipped(tmp_path / "one.zip", {"a.sqlite": bytes(8 << 20)}), "zip_bomb", home)
    refused(zipped(tmp_path / "many.zip", {f"{number}.db": b"" for number in range(300)}), "zip_bomb", home)
    inner = zipped(io.BytesIO(), {"a.sqlite": bytes(8 << 20)}).getvalue()
    refused(zipped(tmp_path / "within.zip", {"inner.zip": inner}), "zip_bomb", home)


def test_a_zip_that_says_less_than_it_holds(tmp_path, base, home):
    file = zipped(tmp_path / "given.zip", {"shop.sqlite": base})
    size = len(base).to_bytes(4, "little")
    assert file.read_bytes().count(size) == 2
    file.write_bytes(file.read_bytes().replace(size, (100).to_bytes(4, "little")))
    refused(file, "data_unreadable", home)


def test_what_cannot_be_read(tmp_path, base, home):
    whole = zipped(tmp_path / "whole.zip", {"shop.sqlite": base}).read_bytes()
    for broken in (whole[:-40], whole[: len(whole) // 2], b"", b"PK\x03\x04", whole[:80] + b"\xff" * 60 + whole[140:]):
        (tmp_path / "broken.zip").write_bytes(broken)
        refused(tmp_path / "broken.zip", "data_unreadable", home)
    refused(zipped(tmp_path / "odd.zip", {"shop.sqlite": base}, zipfile.ZIP_BZIP2), "zip_method", home)
    locked = zipped(tmp_path / "locked.zip", {"shop.sqlite": base}).read_bytes()
    at = locked.rindex(b"PK\x01\x02") + 8
    (tmp_path / "locked.zip").write_bytes(locked[:at] + b"\x01" + locked[at + 1 :])
    refused(tmp_path / "locked.zip", "zip_locked", home)


def refused(file, key, home):
    with pytest.raises(StudioError) as caught:
        databases.find(file)
    assert caught.value.key == key and file.name in str(caught.value)
    unpacked = home / "cache" / "unpacked"
    assert not unpacked.is_dir() or not list(unpacked.iterdir())


def test_a_zip_without_databases(tmp_path):
    with pytest.raises(StudioError) as caught:
        databases.find(zipped(tmp_path / "given.zip", {"dev.json": ASKED}))
    assert caught.value.key == "sql_no_databases"
