package embedded

import (
	"path"
	"strings"
)

// mimeCodes go by the extension. EN 16931 and Peppol BIS Billing 3 accept the first six
// alone (BT-125); who sends to receivers of those keeps to them, and a receiver says so.
var mimeCodes = []struct{ extension, code string }{
	{".pdf", "application/pdf"},
	{".png", "image/png"},
	{".jpg", "image/jpeg"},
	{".csv", "text/csv"},
	{".xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"},
	{".ods", "application/vnd.oasis.opendocument.spreadsheet"},

	{".jpeg", "image/jpeg"},
	{".tif", "image/tiff"}, {".tiff", "image/tiff"},
	{".gif", "image/gif"},
	{".bmp", "image/bmp"},
	{".svg", "image/svg+xml"},
	{".ps", "application/postscript"}, {".eps", "application/postscript"},
	{".txt", "text/plain"},
	{".rtf", "application/rtf"},
	{".html", "text/html"}, {".htm", "text/html"},
	{".xml", "application/xml"},
	{".json", "application/json"},
	{".eml", "message/rfc822"},
	{".zip", "application/zip"},
	{".doc", "application/msword"},
	{".xls", "application/vnd.ms-excel"},
	{".ppt", "application/vnd.ms-powerpoint"},
	{".docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
	{".pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"},
	{".odt", "application/vnd.oasis.opendocument.text"},
	{".p7m", "application/pkcs7-mime"},
	{".p7s", "application/pkcs7-signature"},
	{".p7b", "application/x-pkcs7-certificates"},
}

// mimeCode is that of a file.
func mimeCode(name string) string {
	ext := strings.ToLower(path.Ext(name))
	for _, m := range mimeCodes {
		if m.extension == ext {
			return m.code
		}
	}
	return "application/octet-stream"
}

// extensionOf is that of a file with this code, empty if none is known.
func extensionOf(code string) string {
	code, _, _ = strings.Cut(code, ";")
	code = strings.ToLower(strings.TrimSpace(code))
	for _, m := range mimeCodes {
		if m.code == code {
			return m.extension
		}
	}
	return ""
}
