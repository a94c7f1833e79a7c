package limit

import (
	"fmt"
	"testing"
	"time"
)

func TestLimit(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	l := New(3, 20)
	for i := range 20 {
		if _, ok := l.Allow("203.0.113.7", now); !ok {
			t.Fatalf("request %d of a burst of 20 was refused", i+1)
		}
	}
	wait, ok := l.Allow("203.0.113.7", now)
	if ok || wait <= 0 || wait > time.Second {
		t.Fatalf("the 21st: allowed %v, wait %v", ok, wait)
	}
	if _, ok := l.Allow("203.0.113.8", now); !ok {
		t.Error("another address was refused")
	}
	if _, ok := l.Allow("203.0.113.7", now.Add(wait)); !ok {
		t.Error("refused after the wait it was told")
	}
	for i := range 20 {
		l.Allow(fmt.Sprintf("2001:db8:0:1::%x", i), now)
	}
	if _, ok := l.Allow("2001:db8:0:1:ffff::1", now); ok {
		t.Error("a host got more by using another address of its /64")
	}
	if _, ok := l.Allow("::ffff:203.0.113.7", now); ok {
		t.Error("a host got more by writing its IPv4 address as IPv6")
	}
}

func TestLimitInAll(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	l := New(3, 20)
	allowed := 0
	for i := range 1000 {
		if _, ok := l.Allow(fmt.Sprintf("198.18.%d.%d", i/250, i%250), now); ok {
			allowed++
		}
	}
	if allowed != 200 {
		t.Errorf("%d requests of 1,000 addresses were allowed at once", allowed)
	}
}

func TestTableIsBounded(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	l := New(1, 1)
	for i := range maxAddresses + 5000 {
		l.Allow(fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255), now.Add(time.Duration(i)*time.Microsecond))
	}
	if len(l.byAddr) > maxAddresses {
		t.Errorf("%d addresses are kept", len(l.byAddr))
	}
	later := now.Add(time.Hour)
	l.Allow("192.0.2.1", later)
	if len(l.byAddr) != 1 {
		t.Errorf("%d addresses are kept an hour later", len(l.byAddr))
	}
}

// It handles more addresses than it has places for, each of them busy: nobody
// pays for what the others do, but everybody for what they do themselves.
func TestEachPaysForItself(t *testing.T) {
	l := Each(1, 2)
	now := time.Now()
	for i := range maxAddresses + 10 {
		if _, ok := l.Allow(fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255), now); !ok {
			t.Fatalf("address %d is refused", i)
		}
	}
	if _, ok := l.Allow("203.0.113.7", now); !ok {
		t.Error("a newcomer pays for others")
	}
	for range 3 {
		_, ok := l.Allow("10.0.0.1", now)
		if _, again := l.Allow("10.0.0.1", now); ok && again {
			t.Error("an address has no bound")
		}
	}
}

// Requests look at the clock and then wait for their turn: on a busy machine
// they come in another order.
func TestLimitAskedOutOfOrder(t *testing.T) {
	l := New(100, 300)
	now := time.Now()
	served := 0
	for range 1000 {
		for _, at := range []time.Time{now.Add(time.Second), now} {
			if _, ok := l.Allow("203.0.113.7", at); ok {
				served++
			}
		}
	}
	if served > 300+100 {
		t.Errorf("%d served in a second, want at most 400", served)
	}
}

// A clock that is put back stops nobody.
func TestLimitOfAClockPutBack(t *testing.T) {
	l := New(1, 1)
	now := time.Unix(1_000_000, 0)
	l.Allow("203.0.113.7", now)
	for i := range 5 {
		if _, ok := l.Allow("203.0.113.7", now.Add(-time.Hour).Add(time.Duration(i)*2*time.Second)); !ok && i > 0 {
			t.Errorf("refused %d s after the clock was put back", 2*i)
		}
	}
}
