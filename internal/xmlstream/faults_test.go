package xmlstream

import (
	"errors"
	"strings"
	"testing"
)

// Each is what somebody has to correct at night: the place must be right, the text must
// say what is wrong.
func TestFaults(t *testing.T) {
	for _, c := range []struct{ doc, want string }{
		{"", "line 1, column 1: the document is empty"},
		{" \n", "line 2, column 1: the document has no element"},
		{"<!-- x -->", "line 1, column 11: the document has no element"},
		{"hello", "line 1, column 1: text before the root element"},
		{"UNA:+.? 'UNB+", "line 1, column 1: text before the root element"},
		{"<a/>\nx", "line 2, column 1: text behind the end of the root element"},
		{"<a/><b/>", "line 1, column 5: a second element behind the end of the root element"},
		{"<a/></a>", "line 1, column 5: an end tag, and no element is open"},
		{"<a>\n<b>", "line 2, column 4: the document ends inside of <b>, which was opened in line 2"},
		{"<a>\n<x:b xmlns:x='u'>x", "line 2, column 19: the document ends inside of <x:b>, which was opened in line 2"},
		{"<a>\n <b></a>", "line 2, column 5: </a> stands where <b> has to be closed, which was opened in line 2"},
		{"<a><p:b xmlns:p='u'></q:b></a>", "line 1, column 21: </q:b> stands where <p:b> has to be closed, which was opened in line 1"},
		{"<a", "line 1, column 3: the document ends inside of the tag <a>"},
		{"<a b='1'c='2'/>", "line 1, column 9: the tag <a> is not closed, or white space is missing in it"},
		{"<a / >", "line 1, column 4: an attribute has no name"},
		{"<a b/>", "line 1, column 5: the attribute b has no value"},
		{"<a b=1/>", "line 1, column 6: the value of the attribute b is not in quotes"},
		{"<a b='<'/>", "line 1, column 7: < stands in the value of an attribute: write &lt;, or its closing quote is missing"},
		{"<a b='1", "line 1, column 8: the document ends inside of the value of an attribute"},
		{"<a b='1' c='' b='2'/>", "line 1, column 15: the attribute b comes twice"},
		{"<a xmlns:p='u' xmlns:q='u' p:b='1' q:b='2'/>", "line 1, column 36: the attribute q:b comes twice"},
		{"<a xmlns='u' xmlns='v'/>", "line 1, column 14: the attribute xmlns comes twice"},
		{"<p:a/>", "line 1, column 1: the prefix p is not declared"},
		{"<a p:b='1'/>", "line 1, column 4: the prefix p is not declared"},
		{"<a><b xmlns:p='u'/><p:c/></a>", "line 1, column 20: the prefix p is not declared"},
		{"<a xmlns:p=''/>", "line 1, column 4: the prefix p is declared without a namespace"},
		{"<a xmlns:xmlns='u'/>", "line 1, column 4: xmlns cannot be declared"},
		{"<a xmlns:xml='u'/>", "line 1, column 4: the prefix xml has a namespace of its own"},
		{"<a xmlns='http://www.w3.org/XML/1998/namespace'/>", "line 1, column 4: the prefix xml has a namespace of its own"},
		{"<a:b:c/>", "line 1, column 5: a name has a colon where none belongs"},
		{"<:a/>", "line 1, column 2: a name has a colon where none belongs"},
		{"<a:/>", "line 1, column 4: a name ends with a colon"},
		{"<1/>", "line 1, column 2: < begins no tag: write &lt; in text"},
		{"<a>1 < 2</a>", "line 1, column 7: < begins no tag: write &lt; in text"},
		{"<a>R&D</a>", "line 1, column 5: & begins no reference: write &amp;"},
		{"<a>R & D</a>", "line 1, column 6: & begins no reference: write &amp;"},
		{"<a>&eacute;</a>", "line 1, column 4: the entity &eacute; is not defined: only lt, gt, amp, apos and quot are, and what others a document type defines is not fetched"},
		{"<a>&#xZ;</a>", "line 1, column 4: &# begins no reference to a character"},
		{"<a>&#;</a>", "line 1, column 4: &# begins no reference to a character"},
		{"<a>&#1;</a>", "line 1, column 4: &# refers to a character that is not allowed in XML"},
		{"<a>&#xD800;</a>", "line 1, column 4: &# refers to a character that is not allowed in XML"},
		{"<a>&#99999999999999999999;</a>", "line 1, column 4: &# refers to a character that is not allowed in XML"},
		{"<a>x]]></a>", "line 1, column 5: ]]> stands in text: write ]]&gt;"},
		{"<a>ä\x01</a>", "line 1, column 5: the character U+0001 is not allowed in XML"},
		{"<a>\ufffe</a>", "line 1, column 4: the character U+FFFE is not allowed in XML"},
		{"<a>\ufff0\uffff</a>", "line 1, column 5: the character U+FFFF is not allowed in XML"},
		{"<a><![CDATA[\x00]]></a>", "line 1, column 13: the character U+0000 is not allowed in XML"},
		{"<a b='\x0b'/>", "line 1, column 7: the character U+000B is not allowed in XML"},
		{"<a>\nM\xfcller</a>", "line 2, column 2: the byte 0xFC is not UTF-8, which a document is in that does not say otherwise: correct the encoding in the first line, or write the document anew"},
		{"<a>\xed\xa0\x80</a>", "line 1, column 4: the byte 0xED is not UTF-8, which a document is in that does not say otherwise: correct the encoding in the first line, or write the document anew"},
		{"<a>\xc3", "line 1, column 4: the byte 0xC3 is not UTF-8, which a document is in that does not say otherwise: correct the encoding in the first line, or write the document anew"},
		{"<?xml version='1.0' encoding='US-ASCII'?><a>\xc3\xa4</a>", "line 1, column 45: the byte 0xC3 is not US-ASCII, which the document says it is in: correct the encoding in the first line, or write the document anew"},
		{"<?xml version='1.0' encoding='windows-1252'?><a>\x81</a>", "line 1, column 49: the byte 0x81 is no character of windows-1252: correct the encoding in the first line, or write the document anew"},
		{"<a><!-- -- --></a>", "line 1, column 11: -- stands inside of a comment"},
		{"<a><!-- x --->", "line 1, column 13: -- stands inside of a comment"},
		{"<a><!-- \x02", "line 1, column 9: the character U+0002 is not allowed in XML"},
		{"<a><!-- x", "line 1, column 10: the document ends inside of a comment"},
		{"<a><?p x", "line 1, column 9: the document ends inside of a processing instruction"},
		{"<a><?p:q x?></a>", "line 1, column 7: a name has a colon where none belongs"},
		{"<a><?p+?></a>", "line 1, column 7: white space is missing in a processing instruction"},
		{"<a><![CDATA[x</a>", "line 1, column 18: the document ends inside of a CDATA section"},
		{"<![CDATA[x]]><a/>", "line 1, column 1: a CDATA section outside of the root element"},
		{"<a/><![CDATA[x]]>", "line 1, column 5: a CDATA section outside of the root element"},
		{"<a><!ELEMENT a></a>", "line 1, column 4: <! begins neither a comment nor a CDATA section nor a document type"},
		{"\n<?xml version='1.0'?><a/>", "line 2, column 1: the XML declaration stands not at the very beginning: take away what is before it"},
		{"<a><?XML x?></a>", "line 1, column 4: the XML declaration stands not at the very beginning: take away what is before it"},
		{"<?xml?><a/>", "line 1, column 6: the XML declaration has no version, or is not in lower case"},
		{"\xef\xbb\xbf<?XML version='1.0'?><a/>", "line 1, column 6: the XML declaration has no version, or is not in lower case"},
		{"<?xml version='2.0'?><a/>", `line 1, column 20: "2.0" is no version of XML`},
		{"<?xml encoding='UTF-8'?><a/>", "line 1, column 7: the XML declaration does not begin with the version"},
		{"<?xml version='1.0' standalone='yes' encoding='UTF-8'?><a/>", "line 1, column 38: the XML declaration has something else than version, encoding and standalone, in this order"},
		{"<?xml version='1.0' standalone='maybe'?><a/>", `line 1, column 39: standalone is "maybe", not yes or no`},
		{"<?xml version='1.0'encoding='UTF-8'?><a/>", "line 1, column 20: white space is missing in the XML declaration"},
		{"<?xml version=1.0?><a/>", "line 1, column 15: the value of version is not in quotes"},
		{"<?xml version='1.0' encoding='-'?><a/>", `line 1, column 33: "-" is no name of an encoding`},
		{"<?xml version='1.0' encoding='UTF-16'?><a/>", "line 1, column 38: the document is in UTF-16, which is not read here: write it in UTF-8"},
		{"<?xml version='1.0' encoding='Shift_JIS'?><a/>", "line 1, column 41: the document is in Shift_JIS, which is not read here: write it in UTF-8"},
		{"\xef\xbb\xbf<?xml version='1.0' encoding='ISO-8859-1'?><a/>", `line 1, column 42: the byte order mark says UTF-8, the declaration "ISO-8859-1"`},
		{"\xff\xfe<\x00a\x00/\x00>\x00", "line 1, column 1: the document is in UTF-16, which is not read here: write it in UTF-8"},
		{"\x00<\x00a\x00/\x00>", "line 1, column 1: the document is in UTF-16, which is not read here: write it in UTF-8"},
		{"\xff\xfe\x00\x00<\x00\x00\x00", "line 1, column 1: the document is in UTF-32, which is not read here: write it in UTF-8"},
		{"\x4c\x6f\xa7\x94\x93", "line 1, column 1: the document is in EBCDIC, which is not read here: write it in UTF-8"},
		{"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "line 1, column 13: the document type declares entities or elements of its own, which are not read, as they can make a small document endless: take it away"},
		{"<!DOCTYPE a SYSTEM 'x' []><a/>", "line 1, column 24: the document type declares entities or elements of its own, which are not read, as they can make a small document endless: take it away"},
		{"<!DOCTYPE a><!DOCTYPE a><a/>", "line 1, column 13: a document type where none belongs"},
		{"<a><!DOCTYPE a></a>", "line 1, column 4: a document type where none belongs"},
		{"<!DOCTYPE a PUBLIC 'x'><a/>", "line 1, column 23: white space is missing in the document type"},
		{"<!DOCTYPE a PUBLIC '{' 'x'><a/>", "line 1, column 21: the public identifier of the document type has a character that is not allowed there"},
		{"<!DOCTYPE a SYSTEM x><a/>", "line 1, column 20: an identifier of the document type is not in quotes"},
		{"<!DOCTYPE a SYSTEM 'x", "line 1, column 22: the document ends inside of the document type"},
		{"<!DOCTYPE a OTHER 'x'><a/>", "line 1, column 13: the document type is not closed"},
		{"<!DOCTYPEa><a/>", "line 1, column 10: white space is missing in the document type"},
	} {
		_, err := inEveryPiece(t, c.doc)
		var syntax *SyntaxError
		if !errors.As(err, &syntax) || err.Error() != c.want {
			t.Errorf("%q\ngot  %v\nwant %s", c.doc, err, c.want)
		}
	}
}

// An error is final: who asks again must not get the rest of a broken document.
func TestFaultIsFinal(t *testing.T) {
	r := NewReader(strings.NewReader("<a>&x;<b/></a>"), Limits{})
	if _, err := r.Next(); err != nil {
		t.Fatal(err)
	}
	_, first := r.Next()
	for range 3 {
		if token, err := r.Next(); err != first || token != nil || err == nil {
			t.Fatalf("%v, %v", token, err)
		}
	}
}
