# Homebrew formula: the command line, and on Linux all of it.
class Drawbridge < Formula
  desc "Lets AI clients use the MCP servers of this computer, guarded"
  homepage "https://github.com/drawbridge-app/drawbridge"
  version "@VERSION@"
  license "Apache-2.0"

  on_macos do
    on_arm do
      url "@URL@/@DARWIN_ARM64@"
      sha256 "@SHA_DARWIN_ARM64@"
    end
    on_intel do
      url "@URL@/@DARWIN_AMD64@"
      sha256 "@SHA_DARWIN_AMD64@"
    end
  end
  on_linux do
    on_arm do
      url "@URL@/@LINUX_ARM64@"
      sha256 "@SHA_LINUX_ARM64@"
    end
    on_intel do
      url "@URL@/@LINUX_AMD64@"
      sha256 "@SHA_LINUX_AMD64@"
    end
  end

  def install
    bin.install "drawbridge"
    man1.install "drawbridge.1"
    bash_completion.install "completions/drawbridge.bash" => "drawbridge"
    zsh_completion.install "completions/_drawbridge"
    fish_completion.install "completions/drawbridge.fish"
  end

  service do
    run [opt_bin/"drawbridge", "run", "--headless"]
    keep_alive crashed: true
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/drawbridge version")
  end
end
