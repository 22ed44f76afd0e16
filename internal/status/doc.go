// Package status is how a running agent says that it is: the words for it, and the file in
// the data folder that it stands in.
//
// The agent looks after itself every few seconds, fills in a Status and writes it to
// agent.json. Whoever wants to know reads that file, as as2drop status does, or is handed
// the newest one inside the agent, as /readyz, the console, alarms and metrics are. Ask
// leaves a question that has the agent look at once, so that it leaves no trace in the
// ledger and is answered when the ledger is not.
//
// What is concluded from what, and when something is a problem, package agent decides.
package status
