package keystore

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// answerTime is how long a call waits for the keychain. One that is unlocked
// answers in milliseconds; one that is locked waits for a person, and nobody
// should have to guess why the app does nothing.
const answerTime = 2500 * time.Millisecond

// promptTime is how long a person may take to answer the keychain's window.
const promptTime = 2 * time.Minute

// OS is the keychain of the operating system: Keychain on macOS, Credential
// Manager on Windows, the Secret Service (GNOME Keyring, KWallet, KeePassXC)
// elsewhere.
//
// Each call runs in a short-lived child process of this program, because a
// keychain that is locked waits for a person without limit, and its library
// knows no deadline and shares its D-Bus connection with the tray's. A child
// can be ended. There is one at a time, so that a locked keychain shows one
// window, not one for each secret.
//
// A call without an answer within 2.5 s, or before ctx ends, returns an
// [*Error] of kind [Locked] with Waiting set, and its child goes on for up to
// two minutes: a person who answers late is served, and the same call again
// joins it. Like any write that timed out, a Set or Delete may still happen.
// Every child ends with this process.
//
// The program must call [ChildMain] first in main; else every call returns
// kind [Unavailable].
func OS() Store { return osKeychain }

var osKeychain = newOSStore(runChild, answerTime, promptTime)

// childReady is set once ChildMain has had its turn. Starting a copy of a
// program that doesn't call it would run that program again, and again.
var childReady atomic.Bool

type osStore struct {
	run                    func(context.Context, request) reply
	answerTime, promptTime time.Duration
	turn                   chan struct{} // holds one token while a child runs

	mu   sync.Mutex // guards jobs, and waiters and started of each
	jobs map[jobKey]*job
}

type jobKey struct{ op, account string }

func (r request) key() jobKey { return jobKey{r.Op, r.Account} }

// job is one child, waited for by any number of callers.
type job struct {
	request request
	cancel  context.CancelFunc
	done    chan struct{} // closed when reply is set
	reply   reply
	waiters int
	started bool
}

func newOSStore(run func(context.Context, request) reply, answer, prompt time.Duration) *osStore {
	return &osStore{run: run, answerTime: answer, promptTime: prompt,
		turn: make(chan struct{}, 1), jobs: map[jobKey]*job{}}
}

func (s *osStore) Get(ctx context.Context, account string) (Secret, error) {
	return s.do(ctx, opGet, account, Secret{})
}

func (s *osStore) Set(ctx context.Context, account string, secret Secret) error {
	_, err := s.do(ctx, opSet, account, secret)
	return err
}

func (s *osStore) Delete(ctx context.Context, account string) error {
	_, err := s.do(ctx, opDelete, account, Secret{})
	return err
}

func (s *osStore) do(ctx context.Context, op, account string, secret Secret) (Secret, error) {
	if err := check(op, account, secret); err != nil {
		return Secret{}, err
	}
	if !childReady.Load() {
		return Secret{}, &Error{Kind: Unavailable, Account: account, Op: op,
			Err: errors.New("this program does not call keystore.ChildMain")}
	}
	ctx, cancel := context.WithTimeout(ctx, s.answerTime)
	defer cancel()
	j := s.join(request{Op: op, Account: account, Secret: []byte(secret.Reveal())})
	defer s.leave(j)
	select {
	case <-j.done:
		return j.reply.result(op, account)
	case <-ctx.Done():
		return Secret{}, &Error{Kind: Locked, Account: account, Op: op, Waiting: true, Err: ctx.Err()}
	}
}

// join returns the running job that does what r asks, or starts one. A Set of
// another value ends the older one first: it must not be the last to write.
func (s *osStore) join(r request) *job {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.jobs[r.key()]
	if old != nil && string(old.request.Secret) == string(r.Secret) {
		old.waiters++
		return old
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.promptTime)
	j := &job{request: r, cancel: cancel, done: make(chan struct{}), waiters: 1}
	s.jobs[r.key()] = j
	var after <-chan struct{}
	if old != nil {
		old.cancel()
		after = old.done
	}
	go s.work(ctx, j, after)
	return j
}

// leave is called by each who joined j. A job that nobody waits for and that
// has shown no window yet is dropped: it would only ask for a stranger.
func (s *osStore) leave(j *job) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j.waiters--
	if j.waiters > 0 || j.started {
		return
	}
	j.cancel()
	if key := j.request.key(); s.jobs[key] == j {
		delete(s.jobs, key)
	}
}

// work runs j when its turn comes. It ends with ctx at the latest.
func (s *osStore) work(ctx context.Context, j *job, after <-chan struct{}) {
	defer j.cancel()
	if after != nil {
		<-after // its child was killed, so this is soon
	}
	j.reply = reply{Class: classLocked}
	select {
	case s.turn <- struct{}{}:
		if s.start(ctx, j) {
			j.reply = s.run(ctx, j.request)
		}
		<-s.turn
	case <-ctx.Done():
	}
	s.mu.Lock()
	if key := j.request.key(); s.jobs[key] == j {
		delete(s.jobs, key)
	}
	s.mu.Unlock()
	close(j.done)
}

func (s *osStore) start(ctx context.Context, j *job) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	j.started = ctx.Err() == nil
	return j.started
}
