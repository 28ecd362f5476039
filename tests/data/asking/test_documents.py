"""Documents to pieces: nothing is lost, pieces overlap, and what cannot be read is told."""

import io
import zipfile

import docx
import pytest
from pypdf import PdfWriter

from studio.data.asking import documents
from studio.errors import StudioError

CHINESE = "".join(f"没有空格的第{number}个中文句子。" for number in range(200))
BARE = "".join(f"{number:x}" for number in range(1500))
PROSE = "\n\n".join(f"Paragraph {number}. " + "It says one thing. Then it says another! " * 3 for number in range(30))


@pytest.mark.parametrize("text", [PROSE, CHINESE, BARE])
@pytest.mark.parametrize("shared", [0, 50])
def test_pieces_cover_the_text_and_fit(text, shared):
    found = list(documents.cut(text, 400, shared))
    assert all(0 < len(piece) <= 400 for piece in found)
    place = 0
    for piece in found:
        start = text.find(piece, max(0, place - shared - 2))
        assert start >= 0 and not text[place:start].strip(), "something was lost between two pieces"
        place = start + len(piece)
    assert not text[place:].strip()


def test_much_that_is_shared_does_not_make_pieces_without_end():
    for text in (PROSE, CHINESE, BARE):
        assert len(list(documents.cut(text, 400, 200))) <= 4 * len(text) / 400


def test_pieces_end_where_sentences_do():
    assert all(piece[-1] in ".!" for piece in documents.cut(PROSE, 400, 50))


def pdf_of(words: str) -> bytes:
    """A PDF of one page that says so, by hand."""
    stream = f"BT /F1 12 Tf 50 700 Td ({words}) Tj ET".encode()
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
               b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 4 0 R "
               b"/Resources << /Font << /F1 5 0 R >> >> >>",
               b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
               b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"]
    out, places = io.BytesIO(b"%PDF-1.4\n"), []
    out.seek(0, io.SEEK_END)
    for number, body in enumerate(objects, 1):
        places.append(out.tell())
        out.write(b"%d 0 obj\n%s\nendobj\n" % (number, body))
    begin = out.tell()
    out.write(b"xref\n0 6\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % place for place in places))
    out.write(b"trailer << /Size 6 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF" % begin)
    return out.getvalue()


def test_kinds_of_documents(tmp_path):
    (tmp_path / "a.txt").write_bytes("你好，世界".encode("gbk"))
    (tmp_path / "b.md").write_bytes(b"\xef\xbb\xbf# Title\r\nText")
    (tmp_path / "c.pdf").write_bytes(pdf_of("A page of words"))
    word = docx.Document()
    word.add_paragraph("First.")
    table = word.add_table(1, 2)
    table.cell(0, 0).text, table.cell(0, 1).text = "a", "b"
    word.add_paragraph("Last.")
    word.save(str(tmp_path / "d.docx"))
    (tmp_path / ".hidden.txt").write_text("no")
    (tmp_path / "e.png").write_bytes(b"no")
    (tmp_path / "Thumbs.db").write_bytes(b"no database")
    found = {file.name: documents.read(file).strip() for file in documents.files([str(tmp_path)])}
    assert found == {"a.txt": "你好，世界", "b.md": "# Title\nText", "c.pdf": "A page of words",
                     "d.docx": "First.\na | b\nLast."}  # fmt: skip
    pieces = documents.pieces([str(tmp_path), str(tmp_path / "a.txt")], 1000, 0)
    assert [(piece.number, piece.document) for piece in pieces] == list(enumerate(found, 1))


def test_a_text_is_read_in_its_encoding_or_refused(tmp_path):
    file = tmp_path / "a.txt"
    file.write_text("Grüße, 世界", "utf-16")
    assert documents.read(file) == "Grüße, 世界"
    for data in ("Die Größe der Straße\nist schön für München".encode("cp1252"), b"\xff\xff\xff\xff"):
        file.write_bytes(data)
        with pytest.raises(StudioError, match=r"line 1.*Save the file as UTF-8"):
            documents.read(file)


def locked_pdf() -> bytes:
    writer, out = PdfWriter(), io.BytesIO()
    writer.add_blank_page(100, 100)
    writer.encrypt("secret", algorithm="RC4-128")
    writer.write(out)
    return out.getvalue()


def bomb() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("word/document.xml", b"\0" * (documents.MAX_UNPACKED_BYTES + 1))
    return out.getvalue()


@pytest.mark.parametrize("name, content, key", [
    ("a.txt", b" \n", "empty"), ("a.txt", b"x" * ((1 << 20) + 1), "unreadable"),
    ("a.pdf", b"%PDF-1.4 no", "unreadable"), ("a.pdf", locked_pdf, "locked"),
    ("a.docx", b"PK no", "unreadable"), ("a.docx", bomb, "unreadable"),
    ("a.xyz", b"x", "kind"), (None, b"", "missing"), ("", b"", "none"),
])
def test_what_cannot_be_read(tmp_path, name, content, key, monkeypatch):
    monkeypatch.setattr(documents, "MAX_UNPACKED_BYTES", 1 << 20)
    if name:
        (tmp_path / name).write_bytes(content() if callable(content) else content)
    with pytest.raises(StudioError) as caught:
        documents.pieces([str(tmp_path / (name if name is not None else "nowhere.txt"))], 1000, 0)
    assert caught.value.key == f"document_{key}"
