//go:build programs

package programs

const prompt = "Call echo."

// terminal runs a command at a terminal, without which it refuses.
func terminal(command string) []string { return []string{"script", "-qec", command, "/dev/null"} }

// agreeing is terminal, at which somebody says yes whatever the question.
func agreeing(command string) []string {
	return []string{"sh", "-c", `while sleep 1; do printf 'y\r' || exit; done | script -qec "$0" /dev/null`, command}
}

var programs = []program{
	{
		name: "mcporter 0.12",
		files: func(p *person) map[string]string {
			return map[string]string{"config/mcporter.json": `{"mcpServers":{"drawbridge":{"baseUrl":"` + p.app.MCPURL + `","auth":"oauth"}}}`}
		},
		signIn: []string{"mcporter", "auth", "drawbridge"},
		run:    []string{"mcporter", "call", "drawbridge.echo", "message=grüezi"},
		plain:  true,
	},
	{
		name: "Codex 0.171",
		files: func(p *person) map[string]string {
			return map[string]string{".codex/config.toml": `model = "fake"
model_provider = "fake"
mcp_oauth_credentials_store = "file"
[model_providers.fake]
name = "fake"
base_url = "` + p.model.URL + `/v1"
wire_api = "responses"
env_key = "FAKE_KEY"
`}
		},
		env:    func(*person) []string { return []string{"FAKE_KEY=x"} },
		add:    []string{"codex", "mcp", "add", "drawbridge", "--url", "{url}"},
		signIn: []string{"codex", "mcp", "login", "drawbridge"},
		run:    []string{"codex", "exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", prompt},
	},
	{
		name: "Claude Code 2.1.332",
		env: func(p *person) []string {
			return []string{"ANTHROPIC_BASE_URL=" + p.model.URL, "ANTHROPIC_API_KEY=x", "ENABLE_TOOL_SEARCH=false",
				"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1", "DISABLE_TELEMETRY=1", "DISABLE_AUTOUPDATER=1"}
		},
		add:    []string{"claude", "mcp", "add", "--scope", "user", "--transport", "http", "drawbridge", "{url}"},
		signIn: terminal("claude mcp login drawbridge"),
		run:    []string{"claude", "-p", prompt, "--allowedTools", "mcp__drawbridge__echo"},
	},
	{
		name: "Gemini CLI 0.61",
		env: func(p *person) []string {
			return []string{"GEMINI_API_KEY=x", "GOOGLE_GEMINI_BASE_URL=" + p.model.URL, "GEMINI_CLI_TRUST_WORKSPACE=true", "GEMINI_FORCE_FILE_STORAGE=true"}
		},
		files: func(*person) map[string]string {
			return map[string]string{".gemini/settings.json": `{"security":{"auth":{"selectedType":"gemini-api-key"}},"privacy":{"usageStatisticsEnabled":false}}`}
		},
		add:    []string{"gemini", "mcp", "add", "--scope", "user", "--transport", "http", "drawbridge", "{url}"},
		signIn: agreeing("gemini -p '/mcp auth drawbridge'"),
		run:    []string{"gemini", "-p", prompt, "--approval-mode", "yolo", "-m", "gemini-2.5-flash"},
	},
	{
		name: "opencode 1.18",
		env: func(*person) []string {
			return []string{"OPENCODE_DISABLE_AUTOUPDATE=1", "OPENCODE_DISABLE_MODELS_FETCH=1"}
		},
		files: func(p *person) map[string]string {
			return map[string]string{".config/opencode/opencode.json": `{"mcp":{"drawbridge":{"type":"remote","url":"` + p.app.MCPURL + `"}},
"permission":"allow","provider":{"fake":{"npm":"@ai-sdk/openai-compatible","options":{"baseURL":"` + p.model.URL + `/v1","apiKey":"x"},"models":{"fake":{}}}}}`}
		},
		signIn: agreeing("opencode mcp auth drawbridge"),
		run:    []string{"opencode", "run", "-m", "fake/fake", prompt},
	},
	{
		name: "Copilot CLI 1.0",
		env: func(p *person) []string {
			return []string{"COPILOT_PROVIDER_BASE_URL=" + p.model.URL + "/v1", "COPILOT_PROVIDER_TYPE=openai", "COPILOT_PROVIDER_API_KEY=x",
				"COPILOT_MODEL=fake", "COPILOT_OFFLINE=true", "COPILOT_AUTO_UPDATE=false"}
		},
		add:    []string{"copilot", "mcp", "add", "--transport", "http", "drawbridge", "{url}"},
		signIn: terminal("copilot -i '/mcp auth drawbridge'"),
		stays:  true,
		run:    []string{"copilot", "-p", prompt, "--allow-all-tools"},
		hasty:  true,
		faults: map[string]string{
			"restart":                "at times the first call after it fails: it lists the tools three times within milliseconds, before its subscription is open again",
			"pause, resume":          "one call that was refused takes the tools from the rest of the conversation",
			"revoked, sign-in again": "`/mcp auth` at its start does not sign in then; why was not found out",
		},
	},
}
