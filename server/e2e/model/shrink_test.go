package model

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

var (
	modelSeed  = flag.Uint64("model.seed", 0, "seed of TestModel; 0: 1 and those behind it, or chance with DRAWBRIDGE_LONG")
	modelTotal = flag.Int("model.steps", 0, "steps of TestModel in all; 0: 2,000, or 100,000 with DRAWBRIDGE_LONG")
)

// randomSteps returns n steps.
func randomSteps(seed uint64, n int) []op {
	r := rand.New(rand.NewPCG(seed, 0))
	var kinds []string
	for kind := range modelWeights {
		kinds = append(kinds, kind)
	}
	slices.Sort(kinds)
	var bag []string
	for _, kind := range kinds {
		for range modelWeights[kind] {
			bag = append(bag, kind)
		}
	}
	steps := make([]op, n)
	for i := range steps {
		steps[i] = op{bag[r.IntN(len(bag))], r.IntN(1 << 16), r.IntN(1 << 16)}
	}
	return steps
}

// shrink leaves out steps for as long as the run still fails, in large pieces
// first (delta debugging), for two minutes at most.
func shrink(steps []op, fails func([]op) bool) []op {
	deadline := time.Now().Add(2 * time.Minute)
	for size := len(steps) / 2; size > 0 && time.Now().Before(deadline); {
		smaller := false
		for from := 0; from < len(steps) && time.Now().Before(deadline); {
			without := slices.Concat(steps[:from], steps[min(from+size, len(steps)):])
			if fails(without) {
				steps, smaller = without, true
			} else {
				from += size
			}
		}
		if !smaller || size > len(steps) {
			size /= 2
		}
	}
	return steps
}

// TestModel takes random steps against Drawbridge and the rules beside it. A
// failure prints the shortest sequence that was found, for modelReplay below.
func TestModel(t *testing.T) {
	const each = 1000 // steps of one Drawbridge
	total := 2 * each
	if rig.Long() {
		total = 100 * each
	}
	if *modelTotal > 0 {
		total = *modelTotal
	}
	seed := uint64(1)
	if *modelSeed != 0 {
		seed = *modelSeed
	}
	seen := map[string]int{}
	defer func() { t.Logf("what happened: %v", seen) }()
	for taken := 0; taken < total; {
		steps := randomSteps(seed, min(each, total-taken))
		n, saw, err := runModel(t, false, steps)
		for what, times := range saw {
			seen[what] += times
		}
		if err != nil {
			fmt.Printf("-model.seed=%d: %v\nshrinking, for two minutes at most\n", seed, err)
			steps = shrink(steps[:n], func(s []op) bool { _, _, err := runModel(t, false, s); return err != nil })
			_, _, again := runModel(t, false, steps)
			t.Fatalf("-model.seed=%d: %v\nthe shortest sequence found fails with: %v\n%s", seed, err, again, sequence(steps))
		}
		taken += n
		if *modelSeed != 0 && !rig.Long() {
			break
		}
		t.Logf("%d steps, seed %d", taken, seed)
		if seed++; rig.Long() {
			seed = rig.Seed()
		}
	}
	if !rig.Long() {
		return
	}
	for _, kind := range []refreshKind{refreshDead, refreshRotates, refreshAgain, refreshAsks, refreshReplay, refreshUnsure} {
		if seen[fmt.Sprintf("refresh: %v, provider says yes", kind)] == 0 {
			t.Errorf("no refresh of kind %v: the run says nothing of it", kind)
		}
	}
}

// modelReplay are sequences that failed once, as they were shrunk. They stay.
var modelReplay = map[string][]op{
	"a refusal that came too late, before the clock went back": {
		{"authorize", 29732, 54692}, {"clock", 50435, 11170}, {"deny", 63276, 11225}, {"clock", 35222, 50909}, {"approve", 20280, 65145},
	},
	"a provider that is away at a restart, and the clock goes back": {
		{"sign in", 3237, 25348}, {"provider", 11059, 45360}, {"restart", 52376, 3621}, {"clock", 30554, 61004},
		{"provider", 24010, 11686}, {"clock", 33899, 45946}, {"refresh", 28025, 44317},
	},
	"a provider that garbles its answers and has deactivated the person": {
		{"sign in", 38994, 47796}, {"provider", 3528, 48243}, {"person", 56536, 46945}, {"refresh together", 1979, 64794},
	},
}

func TestModelReplay(t *testing.T) {
	for name, steps := range modelReplay {
		t.Run(name, func(t *testing.T) {
			if _, _, err := runModel(t, false, steps); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestModelProgram is the same with the real program, on the real clock, with
// kill -9.
func TestModelProgram(t *testing.T) {
	n := 150
	if rig.Long() {
		n = 3000
	}
	seed := rig.Seed()
	if *modelSeed != 0 {
		seed = *modelSeed
	}
	taken, seen, err := runModel(t, true, randomSteps(seed, n))
	if err != nil {
		t.Fatalf("-model.seed=%d, after %d steps: %v\n%s", seed, taken, err, sequence(randomSteps(seed, n)[:taken]))
	}
	t.Logf("%d steps, seed %d: %v", taken, seed, seen)
}
