package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The licences that may be in the program, by sentences that stand in each.
// They ask for their notice to be kept, and no more. Comparison is without
// case, and any run of spaces counts as one.
var allowed = []struct {
	name      string
	sentences []string
}{
	{"Apache-2.0", []string{"apache license", "version 2.0, january 2004", "grant of patent license", "you may reproduce and distribute copies of the work"}},
	{"MIT", []string{"permission is hereby granted, free of charge, to any person obtaining a copy of this software", "the above copyright notice and this permission notice shall be included in all copies", "without warranty of any kind"}},
	{"ISC", []string{"permission to use, copy, modify, and", "distribute this software for any purpose with or without fee is hereby granted, provided that the above copyright notice", "the author disclaims all warranties"}},
	{"BSD-3-Clause", []string{"redistribution and use in source and binary forms, with or without modification, are permitted", "redistributions in binary form must reproduce the above copyright notice", "endorse or promote products derived from"}},
	{"BSD-2-Clause", []string{"redistribution and use in source and binary forms, with or without modification, are permitted", "redistributions in binary form must reproduce the above copyright notice"}},
}

// refused are words of licences that ask for more. They are looked for first,
// so that a permissive text beside them changes nothing.
var refused = []string{"gnu general public", "gnu lesser", "gnu affero", "mozilla public license", "eclipse public license", "common development and distribution",
	"server side public", "business source license", "commons clause", "european union public", "creative commons", "elastic license", "polyform", "non-commercial", "noncommercial"}

// recognise returns the licences of the module in dir, sorted. Every file that
// looks like one must be known: two may apply to two parts.
func recognise(dir string) ([]string, error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, f := range files {
		name := strings.ToUpper(f.Name())
		if f.IsDir() || strings.HasSuffix(name, ".GO") || !strings.HasPrefix(name, "LICENSE") && !strings.HasPrefix(name, "LICENCE") && !strings.HasPrefix(name, "COPYING") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			return nil, err
		}
		license, err := classify(string(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name(), err)
		}
		if !slices.Contains(names, license) {
			names = append(names, license)
		}
	}
	if len(names) == 0 {
		return nil, errors.New("it has no licence file, so it can't be shipped; ask its author, or do without it")
	}
	slices.Sort(names)
	return names, nil
}

func classify(text string) (string, error) {
	text = strings.ToLower(strings.Join(strings.Fields(text), " "))
	for _, words := range refused {
		if strings.Contains(text, words) {
			return "", fmt.Errorf("it speaks of %q, which can't be in the program", words)
		}
	}
	for _, l := range allowed {
		if !slices.ContainsFunc(l.sentences, func(s string) bool { return !strings.Contains(text, s) }) {
			return l.name, nil
		}
	}
	return "", errors.New("it is no licence known here; read it, and add it to `allowed` if it asks only to keep its notice")
}

// group is the npm packages of one licence.
type group struct {
	license string
	names   []string
}

// installed reads the licences that packages name in npm's lock file.
func installed(path string) ([]group, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var lock struct {
		Packages map[string]struct{ Version, License string }
	}
	if err := json.Unmarshal(data, &lock); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	byLicense := map[string][]string{}
	for place, p := range lock.Packages {
		if place == "" { // the tests themselves
			continue
		}
		name := place[strings.LastIndex(place, "node_modules/")+len("node_modules/"):] + "@" + p.Version
		license := p.License
		if license == "" {
			license = "not said"
		}
		if !slices.Contains(byLicense[license], name) {
			byLicense[license] = append(byLicense[license], name)
		}
	}
	var groups []group
	for license, names := range byLicense {
		slices.Sort(names)
		groups = append(groups, group{license, names})
	}
	slices.SortFunc(groups, func(a, b group) int { return strings.Compare(a.license, b.license) })
	return groups, nil
}
