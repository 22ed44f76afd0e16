"""Writes files of many types into a folder, each by the library that people use for it."""

import csv
import email.message
import pathlib
import subprocess
import sys
import xml.etree.ElementTree
import zipfile

import docx
import odf.opendocument
import openpyxl
import PIL.Image
import pptx
import xlwt

folder = pathlib.Path(sys.argv[1])


def path(name):
    return str(folder / name)


picture = PIL.Image.new("RGB", (40, 30), (200, 30, 30))
for name in ("a.png", "a.jpg", "a.gif", "a.tif", "a.bmp", "a.pdf", "a.eps"):
    picture.save(path(name))
picture.save(path("big.tif"), big_tiff=True)

document = docx.Document()
document.add_paragraph("Invoice 1001")
document.add_picture(path("a.png"))
document.save(path("a.docx"))
workbook = openpyxl.Workbook()
workbook.active.append(["Invoice", 1001])
workbook.save(path("a.xlsx"))
slides = pptx.Presentation()
slides.slides.add_slide(slides.slide_layouts[0])
slides.save(path("a.pptx"))
old = xlwt.Workbook()
old.add_sheet("a").write(0, 0, "Invoice")
old.save(path("a.xls"))
for kind, name in (("Text", "a.odt"), ("Spreadsheet", "a.ods"), ("Presentation", "a.odp"), ("Drawing", "a.odg")):
    getattr(odf.opendocument, "OpenDocument" + kind)().save(path(name))

mail = email.message.EmailMessage()
mail["From"], mail["To"], mail["Subject"] = "us@example.com", "acme@example.com", "Invoice 1001, with a long subject that is folded"
mail.set_content("Dear Sirs")
mail.add_attachment(picture.tobytes(), maintype="image", subtype="x-raw", filename="a.raw")
(folder / "a.eml").write_bytes(bytes(mail))
with open(path("a.csv"), "w", newline="", encoding="latin-1") as f:
    csv.writer(f, delimiter=";").writerows([["Straße", "Ort"], ["1", "Köln"]])
(folder / "a.txt").write_text("Prüfbericht\n", encoding="utf-16")
tree = xml.etree.ElementTree.ElementTree(xml.etree.ElementTree.Element("Invoice"))
tree.write(path("a.xml"))
tree.write(path("declared.xml"), encoding="iso-8859-1", xml_declaration=True)
svg = xml.etree.ElementTree.Element("{http://www.w3.org/2000/svg}svg")
xml.etree.ElementTree.ElementTree(svg).write(path("a.svg"))
with zipfile.ZipFile(path("a.zip"), "w", zipfile.ZIP_DEFLATED) as z:
    z.write(path("a.docx"), "a.docx")
    z.write(path("a.png"), "a.png")
zipfile.ZipFile(path("empty.zip"), "w").close()

certificate, key = sys.argv[2:4]


def openssl(*args):
    subprocess.run(["openssl", *args], check=True, capture_output=True)


openssl("cms", "-sign", "-in", path("a.pdf"), "-binary", "-nodetach", "-signer", certificate, "-inkey", key, "-outform", "DER", "-out", path("a.p7m"))
openssl("cms", "-encrypt", "-in", path("a.pdf"), "-binary", "-stream", "-outform", "DER", "-out", path("encrypted.p7m"), certificate)
openssl("cms", "-sign", "-in", path("a.pdf"), "-binary", "-signer", certificate, "-inkey", key, "-outform", "PEM", "-out", path("a.p7s"))
openssl("crl2pkcs7", "-nocrl", "-certfile", certificate, "-out", path("a.p7b"))
openssl("crl2pkcs7", "-nocrl", "-certfile", certificate, "-outform", "DER", "-out", path("der.p7b"))
