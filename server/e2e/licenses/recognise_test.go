package main

import "testing"

// It handles texts that must not pass for a licence we may ship under.
func TestClassify(t *testing.T) {
	const mit = "Permission is hereby granted, free of charge, to any person obtaining a copy\nof this software ... The above copyright notice and this permission notice\n shall be included in all copies ... WITHOUT WARRANTY OF ANY KIND"
	for _, c := range []struct{ name, text, want string }{
		{"MIT, broken into lines", mit, "MIT"},
		{"nothing", "", ""},
		{"all rights reserved", "Copyright 2026. All rights reserved.", ""},
		{"a copyleft text", "GNU GENERAL PUBLIC LICENSE Version 3", ""},
		{"MIT with a clause against selling", mit + " \"Commons Clause\" License Condition v1.0", ""},
		{"half of MIT", mit[:60], ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := classify(c.text)
			if got != c.want || (err == nil) != (c.want != "") {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}
