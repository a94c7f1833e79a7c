package tunnel

import "maps"

// ngrokSays is what ngrok's error codes (ngrok.com/docs/errors) mean for the
// person here, each with the next step. All of them are fatal.
var ngrokSays = map[string]string{
	"ERR_NGROK_103":  "ngrok has suspended the account. Its owner finds the reason at dashboard.ngrok.com",
	"ERR_NGROK_105":  "ngrok says that this is no authtoken. Copy yours from dashboard.ngrok.com/get-started/your-authtoken and enter it in Setup",
	"ERR_NGROK_106":  "this authtoken is of an old kind. Copy yours from dashboard.ngrok.com/get-started/your-authtoken and enter it in Setup",
	"ERR_NGROK_107":  "ngrok no longer accepts this authtoken: it was reset or revoked. Copy yours from dashboard.ngrok.com/get-started/your-authtoken and enter it in Setup",
	"ERR_NGROK_108":  "the ngrok account has as many agents online as it may. Stop one at dashboard.ngrok.com/agents" + thenRetry,
	"ERR_NGROK_120":  "ngrok no longer serves this version of Drawbridge. Update Drawbridge",
	"ERR_NGROK_121":  "ngrok no longer serves this version of Drawbridge. Update Drawbridge",
	"ERR_NGROK_313":  "the ngrok account may not use this domain: its plan has no custom names, or the name is not bound to it. Enter the one at dashboard.ngrok.com/domains in Setup",
	"ERR_NGROK_319":  "the domain is not reserved in the ngrok account. Reserve it at dashboard.ngrok.com/domains, or enter one that is in Setup",
	"ERR_NGROK_320":  "the domain is reserved by another ngrok account. Enter one of yours in Setup, from dashboard.ngrok.com/domains",
	"ERR_NGROK_324":  "the ngrok account has as many endpoints online as it may. Stop one at dashboard.ngrok.com/endpoints" + thenRetry,
	"ERR_NGROK_334":  "somebody else is online at this URL already, probably another Drawbridge or ngrok agent of yours. Stop it; dashboard.ngrok.com/endpoints shows where it runs" + thenRetry,
	"ERR_NGROK_725":  "the ngrok account has used up its month's traffic. Wait for the next month or choose a larger plan at dashboard.ngrok.com/billing" + thenRetry,
	"ERR_NGROK_727":  "the ngrok account has used up its month's requests. Wait for the next month or choose a larger plan at dashboard.ngrok.com/billing" + thenRetry,
	"ERR_NGROK_3200": "ngrok says that nobody is online at this URL. Start Drawbridge, or see why its tunnel is down" + thenRetry,
	"ERR_NGROK_4018": "ngrok wants an authtoken of a verified account. Verify yours at dashboard.ngrok.com/user/settings, and enter its authtoken in Setup",
}

const thenRetry = ", then run `drawbridge tunnel retry`"

// codeTaken is the one that may be ourselves, an instant ago.
const codeTaken = "ERR_NGROK_334"

// Codes are ngrok's error codes whose cure is known.
func Codes() map[string]string { return maps.Clone(ngrokSays) }

// Refusal is the error of one of [Codes].
func Refusal(code string) *Error {
	return &Error{Code: code, Msg: ngrokSays[code], Fatal: true, Taken: code == codeTaken}
}
