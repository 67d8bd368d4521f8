#include "oci/host_limits.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "oci/files.h"

namespace minikube::oci {
namespace {

constexpr const char* kOwnScore = "/proc/self/oom_score_adj";
constexpr int kLeast = -1000;

bool SetOwnScore(int score) {
  const UniqueFd fd(open(kOwnScore, O_WRONLY | O_CLOEXEC));
  const std::string text = std::to_string(score);
  return fd && write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

}  // namespace

std::optional<int> LowestOomScoreAdj() {
  const auto text = ReadWholeFile(kOwnScore);
  if (!text) return std::nullopt;
  const int own = std::atoi(text->c_str());
  if (!SetOwnScore(own)) return std::nullopt;
  // What may be written is everything from some score on: the boundary is looked for by halves.
  int refused = kLeast - 1;
  int allowed = own;
  for (int attempt = kLeast; allowed - refused > 1; attempt = refused + (allowed - refused) / 2) {
    (SetOwnScore(attempt) ? allowed : refused) = attempt;
  }
  SetOwnScore(own);  // a higher score than the lowest is always allowed
  return allowed;
}

}  // namespace minikube::oci
