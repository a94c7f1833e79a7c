// Package updates reads the feed that says which release is the newest. It asks
// for one document, sends nothing that tells who asks, and fetches no program.
// Start at [Look].
package updates

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/mod/semver"

	"github.com/drawbridge-app/drawbridge/server/internal/hostname"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// maxFeed is in bytes: a release of GitHub's names each of its files.
const maxFeed = 1 << 20

// Look asks a feed, which has the form of GitHub's "latest release": a JSON object
// with tag_name, a semantic version, and html_url, where its notes are. client
// bounds the time; no redirect is followed.
func Look(ctx context.Context, client *http.Client, feed string) (u status.Update, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, feed, nil)
	if err != nil {
		return u, err
	}
	req.Header.Set("User-Agent", "Drawbridge") // GitHub refuses who sends none
	req.Header.Set("Accept", "application/json")
	once := *client
	once.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := once.Do(req)
	if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
		err = wrapped.Err // without the address
	}
	if err != nil {
		return u, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return u, fmt.Errorf("it answered with status %d", resp.StatusCode)
	}
	var release struct {
		Tag  string `json:"tag_name"`
		Page string `json:"html_url"`
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxFeed)).Decode(&release); err != nil {
		return u, fmt.Errorf("its answer is no JSON of a release: %w", err)
	}
	version, page := "v"+strings.TrimPrefix(release.Tag, "v"), release.Page
	notes, err := url.Parse(page)
	switch {
	case len(version) > 40 || semver.Canonical(version) != version || semver.Prerelease(version) != "":
		return u, errors.New("its tag_name is no version such as v1.2.3")
	case err != nil || notes.Scheme != "https" || !hostname.Valid(notes.Hostname()) || notes.User != nil || len(page) > 500 || strings.ContainsFunc(page, odd):
		return u, errors.New("its html_url is no https address")
	}
	return status.Update{Version: version[1:], URL: page}, nil
}

// odd is what an address that a browser is started with does not hold.
func odd(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("\"'`<>\\^{}|", r) }

// Released reports whether version is a release, and no build of somebody's own.
func Released(version string) bool {
	return semver.Canonical(version) == version && version != "" && semver.Prerelease(version) == ""
}

// Newer reports whether u is newer than version, which is a release.
func Newer(u status.Update, version string) bool {
	return Released(version) && u.Version != "" && semver.Compare("v"+u.Version, version) > 0
}
