package rig

import (
	"sync/atomic"
)

// Refusing lets agents in but for what it is told to say.
type Refusing struct{ text atomic.Value }

func (r *Refusing) Say(text string) { r.text.Store(text) }

// At returns the hook: at login if url is not asked for, else at the bind.
func (r *Refusing) At(bind bool) func(string, string) string {
	r.Say("")
	return func(_, url string) string {
		if (url != "") != bind {
			return ""
		}
		return r.text.Load().(string)
	}
}
