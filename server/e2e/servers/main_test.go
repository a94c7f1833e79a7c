package servers

import (
	"testing"

	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

func TestMain(m *testing.M) { rig.Main(m) }
