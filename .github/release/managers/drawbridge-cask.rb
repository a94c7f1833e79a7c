# Homebrew cask: the app with its menu.
cask "drawbridge" do
  version "@VERSION@"

  on_arm do
    url "@URL@/@APP_ARM64@"
    sha256 "@SHA_APP_ARM64@"
  end
  on_intel do
    url "@URL@/@APP_AMD64@"
    sha256 "@SHA_APP_AMD64@"
  end

  name "Drawbridge"
  desc "Lets AI clients use the MCP servers of this computer, guarded"
  homepage "https://github.com/drawbridge-app/drawbridge"

  depends_on macos: ">= :monterey"

  app "Drawbridge.app"
  binary "#{appdir}/Drawbridge.app/Contents/MacOS/drawbridge"

  uninstall quit:      "app.drawbridge",
            launchctl: "app.drawbridge"
  zap trash: [
    "~/Library/Application Support/drawbridge",
    "~/Library/LaunchAgents/app.drawbridge.plist",
  ]
end
