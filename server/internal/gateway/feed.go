package gateway

import (
	"encoding/json"
	"slices"
	"sync"
)

// feed holds what a client that listens is still to be told, apart from any
// request. What would be told twice is told once, so a feed can't grow beyond
// what its client subscribed to, and nothing is lost while nobody listens.
type feed struct {
	mu    sync.Mutex // guards what follows
	news  []news
	wakes []chan struct{} // of the streams, the newest last
}

// news is a notification. Of two with one key only the newest matters.
type news struct {
	key    string
	method string
	params json.RawMessage // nil: none
}

func listNews(list List) news {
	method := "notifications/" + string(list) + "/list_changed"
	return news{key: method, method: method}
}

func resourceNews(uri string, params json.RawMessage) news {
	const method = "notifications/resources/updated"
	return news{key: method + " " + uri, method: method, params: params}
}

// tell adds news. It never blocks.
func (f *feed) tell(n news) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.news = slices.DeleteFunc(f.news, func(old news) bool { return old.key == n.key })
	f.news = append(f.news, n)
	f.wake()
}

// take returns what is to be told now.
func (f *feed) take() []news {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := f.news
	f.news = nil
	return list
}

// listen adds a stream. Each message goes to one stream only (TL-5): to the
// newest, because a client that opens another has often lost the one before.
func (f *feed) listen() (wake <-chan struct{}, leave func()) {
	me := make(chan struct{}, 1)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wakes = append(f.wakes, me)
	f.wake()
	return me, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.wakes = slices.DeleteFunc(f.wakes, func(other chan struct{}) bool { return other == me })
		f.wake()
	}
}

// wake calls the newest stream if there is something for it. The lock is held.
func (f *feed) wake() {
	if len(f.news) == 0 || len(f.wakes) == 0 {
		return
	}
	select {
	case f.wakes[len(f.wakes)-1] <- struct{}{}:
	default: // it has been called already
	}
}
