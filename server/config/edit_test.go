package config_test

import (
	"testing"

	"github.com/drawbridge-app/drawbridge/server/config"
)

func fuzzEdits(t *testing.T, path string, data []byte, servers []config.Server, err error) {}
