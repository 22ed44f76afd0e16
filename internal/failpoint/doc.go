// Package failpoint marks places where a test can kill the agent. Only a build with
// the tag "failpoints" knows them; in every other Hit is empty.
//
// The places, in the order of a transfer's life: "after claim intent", "after claim
// moves", "after seal", "after attempt", "after post", "after verdict", "before filed";
// of a received message: "after stage", "after received", "after first file", "before
// published", "before answer"; and where its receipt is wanted later: "after stored",
// "after receipt attempt", "after receipt post". Of a message about alarms: "after alarm
// intent", "after alarm".
package failpoint
