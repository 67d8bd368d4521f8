// Pulling from registries, by skopeo.
#include <algorithm>

#include <fmt/format.h>

#include "oci/files.h"
#include "oci/oci_runtime.h"
#include "oci/reference.h"

namespace minikube::oci {
namespace {

constexpr std::chrono::minutes kPullTimeout(30);

// What skopeo said, as kubelet would show it.
Status PullError(const Reference& reference, const Result<ProcessResult>& result) {
  const std::string name = reference.ToString();
  const std::string prefix = fmt::format("failed to pull image \"{}\": ", name);
  if (!result) {
    if (result.status().code() != Code::kNotFound)
      return result.status().WithContext(prefix.substr(0, prefix.size() - 2));
    return {
        Code::kUnavailable,
        fmt::format("{}it is not in the local store, and skopeo, which reaches registries, is not installed", prefix)};
  }
  std::string text = result->err;
  while (!text.empty() && text.back() == '\n') text.pop_back();
  text = text.substr(text.rfind('\n') + 1);
  // time="..." level=fatal msg="..."
  if (const std::size_t at = text.find("msg=\""); at != std::string::npos)
    text = text.substr(at + 5, text.rfind('"') - at - 5);
  std::string lower = text;
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  for (const std::string_view missing :
       {"manifest unknown", "name unknown", "not found", "repository does not exist"}) {
    if (lower.find(missing) == std::string::npos || lower.find("no such host") != std::string::npos) continue;
    return {Code::kNotFound, fmt::format("{}failed to resolve reference \"{}\": {}: not found", prefix, name, name)};
  }
  return {Code::kUnavailable, prefix + (text.empty() ? fmt::format("skopeo exited with {}", result->exit_code) : text)};
}

bool IsLoopback(const std::string& registry) {
  return registry.substr(0, 9) == "localhost" || registry.substr(0, 4) == "127.";
}

}  // namespace

void OciRuntime::Pull(const std::string& text, Done<ImageInfo> done) {
  auto reference = ParseReference(text);
  if (!reference) return done(reference.status());
  const std::string dir = fmt::format("{}/pull/{}", options_.root, ++last_tag_);
  Do<Status>(
      *image_worker_, [dir] { return MakeDirs(dir); },
      [this, dir, reference = *reference, done = std::move(done)](Status made) mutable {
        if (!made.ok()) return done(made);
        std::vector<std::string> argv = {"skopeo", "copy", "--quiet"};
        if (IsLoopback(reference.registry)) argv.push_back("--src-tls-verify=false");  // as Docker treats them
        argv.push_back("docker://" + reference.ToString());
        argv.push_back(fmt::format("oci:{}:image", dir));
        Run(std::move(argv), kPullTimeout,
            [this, dir, reference, done = std::move(done)](Result<ProcessResult> copied) mutable {
              Do<Result<ImageInfo>>(
                  *image_worker_,
                  [this, dir, reference, copied = std::move(copied)]() -> Result<ImageInfo> {
                    Result<ImageInfo> out = PullError(reference, copied);
                    if (copied.ok() && copied->exit_code == 0) {
                      auto imported = images_.Import(dir, reference.ToString(), Origin::kPulled);
                      out = imported.ok() ? Result<ImageInfo>(imported->front())
                                          : imported.status().WithContext(
                                                fmt::format("failed to pull image \"{}\"", reference.ToString()));
                    }
                    const Status removed = RemoveTree(dir);
                    return out.ok() && !removed.ok() ? Result<ImageInfo>(removed) : out;
                  },
                  std::move(done));
            });
      });
}

}  // namespace minikube::oci
