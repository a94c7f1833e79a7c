// Package signins_test is about mounted servers with a sign-in of their own,
// other Drawbridges among them.
package signins_test

import (
	"testing"

	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

func TestMain(m *testing.M) { rig.Main(m) }
