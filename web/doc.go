// Package web is the console: what people see of the agent in a browser, and how they act.
//
// A Server is an http.Handler. It shows the read model of internal/views as pages that work
// without JavaScript, asks for nothing from other hosts, and turns what an operator wants
// into wishes in the ledger, with the name of who wants it, which the running agent grants:
// the same rows that as2drop retry writes. It holds no state but sessions.
//
// Who may come in:
//
//   - Requests must be for a host that is ours, so that a page elsewhere cannot have its name
//     point to this machine; one that came through a proxy that the config does not know of
//     is refused.
//   - Once there is a users' file everybody signs in. Without one, and on this machine alone,
//     everybody may read and nobody may act.
//   - Acting takes an operator, a form of the same origin, and the secret of the session.
//   - /api/v1 and /metrics take tokens, never cookies.
//
// The policy of the pages allows no inline script or style, no frames and no other origin.
package web
