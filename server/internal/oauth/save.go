package oauth

import "github.com/drawbridge-app/drawbridge/server/status"

// The buckets of records that last.
const (
	BucketGrants      = "grants"
	BucketClients     = "clients"
	BucketConsents    = "consents"
	BucketRevocations = "revocations" // provider's refresh tokens still to be revoked there
	BucketKnown       = "known"       // clients that the owner has added
	BucketBlocks      = "blocks"
	BucketAssertions  = "assertions" // that were redeemed, until they expire
)

// Change is one record to write, or to delete if Value is nil.
type Change struct {
	Bucket, Key string
	Value       []byte
}

// Saver makes changes last. Save writes all of them and the events, or none,
// and returns once they are on disk; only then are the events published.
type Saver interface {
	Save(changes []Change, events ...status.Event) error
}

// Recorder takes events that no record depends on. They are published at once
// and reach the disk soon after.
type Recorder interface {
	Record(status.Event) status.Event
}
