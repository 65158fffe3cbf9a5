"""Unsigned PDFs with one page."""

import io

from pyhanko.pdf_utils.generic import StreamObject
from pyhanko.pdf_utils.writer import PageObject, PdfFileWriter


def paper(with_streams: bool = False) -> bytes:
    """A PDF with a cross-reference table, or with a cross-reference stream and object streams."""
    writer = PdfFileWriter(stream_xrefs=with_streams)
    contents = writer.add_object(StreamObject(stream_data=b"0 0 200 100 re S"))
    writer.insert_page(PageObject(contents=contents, media_box=(0, 0, 200, 100)))
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()
