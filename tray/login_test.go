package tray

import (
	"encoding/xml"
	"slices"
	"strings"
	"testing"
)

// What starts Drawbridge at login on macOS says the same words again when it is
// read.
func TestLaunchAgent(t *testing.T) {
	command := []string{"/Applications/A & B/drawbridge", "run", "--data", "/tmp/<x> \"y\""}
	var plist struct {
		Dict struct {
			Key   []string `xml:"key"`
			Array struct {
				String []string `xml:"string"`
			} `xml:"array"`
		} `xml:"dict"`
	}
	if err := xml.NewDecoder(strings.NewReader(launchAgent(command))).Decode(&plist); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(plist.Dict.Array.String, command) {
		t.Errorf("starts %q", plist.Dict.Array.String)
	}
}
