#include "base/resolv_conf.h"

#include <utility>

namespace minikube {
namespace {

std::vector<std::string> WordsOf(std::string_view line) {
  std::vector<std::string> words;
  while (true) {
    const std::size_t begin = line.find_first_not_of(" \t\r");
    if (begin == std::string_view::npos) return words;
    line.remove_prefix(begin);
    const std::size_t end = line.find_first_of(" \t\r");
    words.emplace_back(line.substr(0, end));
    if (end == std::string_view::npos) return words;
    line.remove_prefix(end);
  }
}

}  // namespace

ResolvConf ParseResolvConf(std::string_view text) {
  ResolvConf out;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.starts_with('#') || line.starts_with(';')) continue;
    std::vector<std::string> words = WordsOf(line);
    if (words.size() < 2) continue;
    const std::string what = std::exchange(words.front(), "");
    words.erase(words.begin());
    if (what == "nameserver") {
      out.servers.push_back(words.front());
    } else if (what == "search" || what == "domain") {
      out.searches = std::move(words);
    } else if (what == "options") {
      out.options.insert(out.options.end(), words.begin(), words.end());
    }
  }
  return out;
}

std::string FormatResolvConf(const ResolvConf& conf) {
  std::string out;
  const auto line = [&out](std::string_view what, const std::vector<std::string>& words) {
    if (words.empty()) return;
    out += what;
    for (const std::string& word : words) {
      out += ' ';
      out += word;
    }
    out += '\n';
  };
  for (const std::string& server : conf.servers) line("nameserver", {server});
  line("search", conf.searches);
  line("options", conf.options);
  return out;
}

}  // namespace minikube
