// Package dialfire reads the contacts of a Dialfire campaign with their
// transactions, connections and recordings, and the campaign's inbound calls.
//
// What cannot be read of an answer is rejected piece by piece, each with the
// contact it belongs to and its place there, and the rest lands. An answer that is
// none, such as one that was cut off, is a *fault.Error with the code invalid_json,
// wrong_type, missing_field or answer_too_large, which never holds a value.
//
// A first read lists all contacts; later ones ask what has happened since, by the
// list of events, and every few minutes by the list of what has changed. Lists give
// MD5s: only contacts whose MD5 is not the target's are fetched. A window of events
// or calls reaches back behind what was covered, and a listing behind the last one,
// so that what comes late is found, whatever the API goes by. A contact vanishes
// from the target only if an answer that can be believed leaves it out; see askAgain.
package dialfire
