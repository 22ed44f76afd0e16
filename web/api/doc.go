// Package api is what programs see of the agent: JSON under /api/v1.
//
// A handler made by New answers from the read model of internal/views, and turns what an
// operator wants into wishes in the ledger with the name of who wants it: the same rows that
// as2drop retry writes. A wish is answered 202 with the row and a Location where to ask what
// became of it. Whoever asks twice gets the wish there is: by the same Idempotency-Key, or
// for as long as the agent has not dealt with it. Errors are application/problem+json (RFC
// 9457) and say what to do.
//
// The routes are one table, of which the mux and the OpenAPI description are made; the
// schemas are those of the Go types. The description is served at /api/v1/openapi.json and
// stands in docs/openapi.json.
//
// Who asks is in the context of the request (accounts.From): the package trusts whoever put
// it there, looks at no header for it, and sets no cookie. A viewer reads, an operator acts.
// It answers no other origin, and nothing in it is a key, a password or data of a document.
package api
