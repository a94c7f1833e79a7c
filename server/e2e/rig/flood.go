package rig

import (
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
)

// Flood sends n requests with 8 at once and counts the statuses. Each 429 must
// say when to come back.
func Flood(t testing.TB, n int, pick func(i int) (*http.Client, *http.Request)) map[int]int {
	t.Helper()
	var next, silent atomic.Int64
	var mu sync.Mutex // guards statuses
	statuses := map[int]int{}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				client, req := pick(int(i))
				status := 0
				if resp, err := client.Do(req); err == nil {
					_, _ = io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
					if status = resp.StatusCode; status == http.StatusTooManyRequests && resp.Header.Get("Retry-After") == "" {
						silent.Add(1)
					}
				}
				mu.Lock()
				statuses[status]++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	PlainHTTP.CloseIdleConnections()
	if silent.Load() > 0 {
		t.Errorf("%d answers 429 without Retry-After", silent.Load())
	}
	return statuses
}
