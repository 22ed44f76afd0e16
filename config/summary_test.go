package config

import "testing"

func TestSummary(t *testing.T) {
	workplace(t)
	for text, want := range map[string]string{
		"": "AS2 1.2, in a zip, signed with sha-256, encrypted with aes-256-cbc, signed receipt at once; takes what is signed and encrypted",
		"    as2_version: 1.1\n    send: {sign: none, encrypt: none, compress: before-sign, receipt: none}\n    receive: {require: []}\n": "AS2 1.1, in a zip, unsigned, not encrypted, compressed before-sign, no receipt; takes anything",
		"    outbox: {bundle: multipart}\n    send: {receipt: none}\n":                                                                    "AS2 1.2, attachments as parts of a multipart, signed with sha-256, encrypted with aes-256-cbc, no receipt; takes what is signed and encrypted",
		"    outbox: {bundle: embedded}\n    send: {receipt: none}\n":                                                                     "AS2 1.2, attachments inside of the document, signed with sha-256, encrypted with aes-256-cbc, no receipt; takes what is signed and encrypted",
		"    outbox: {bundle: never}\n    send: {receipt: none}\n":                                                                        "AS2 1.2, without attachments, signed with sha-256, encrypted with aes-256-cbc, no receipt; takes what is signed and encrypted",
		"    outbox: {bundle: with-attachments}\n    send: {receipt: none}\n":                                                             "AS2 1.2, with attachments in a zip, signed with sha-256, encrypted with aes-256-cbc, no receipt; takes what is signed and encrypted",
		"    send: {receipt: unsigned, receipt_delivery: async, receipt_url: \"https://us.example/\"}\n    receive: {require: signed}\n":  "AS2 1.2, in a zip, signed with sha-256, encrypted with aes-256-cbc, unsigned receipt later at https://us.example/; takes what is signed",
	} {
		c, err := load(t, "listen: [{address: \"127.0.0.1:1\", behind_proxy: true}]\n"+ofPreset+text)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Partners[0].Summary(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		c.Partners[0].URL = ""
		if got := c.Partners[0].Summary(); got[9:24] != "nothing is sent" {
			t.Error(got)
		}
	}
}
