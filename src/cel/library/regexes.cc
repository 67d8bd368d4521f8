// Regular expressions: matches, find, findAll. RE2's syntax, and its promise of linear time.
#include <list>
#include <memory>
#include <string>
#include <unordered_map>

#include <fmt/format.h>
#include <re2/re2.h>

#include "cel/function.h"
#include "cel/library/regex.h"

namespace minikube::cel {
namespace {

using Args = std::span<const Value>;
using re2::StringPiece;

StringPiece Piece(std::string_view text) { return {text.data(), text.size()}; }

// The expressions that a thread used lately: those of a rule are the same from one evaluation to the next.
class RegexCache {
 public:
  std::shared_ptr<const re2::RE2> Get(std::string_view pattern) {
    if (const auto it = by_pattern_.find(pattern); it != by_pattern_.end()) {
      order_.splice(order_.begin(), order_, it->second);
      return order_.front();
    }
    re2::RE2::Options options(re2::RE2::Quiet);
    options.set_max_mem(kMaxMemory);
    order_.push_front(std::make_shared<const re2::RE2>(Piece(pattern), options));
    by_pattern_.emplace(order_.front()->pattern(), order_.begin());
    if (order_.size() > kMaxEntries) {
      by_pattern_.erase(order_.back()->pattern());
      order_.pop_back();
    }
    return order_.front();
  }

 private:
  static constexpr std::size_t kMaxEntries = 64;
  static constexpr std::int64_t kMaxMemory = 1 << 20;
  std::list<std::shared_ptr<const re2::RE2>> order_;  // latest first
  std::unordered_map<std::string_view, std::list<std::shared_ptr<const re2::RE2>>::iterator> by_pattern_;
};

std::shared_ptr<const re2::RE2> Compiled(std::string_view pattern) {
  static thread_local RegexCache cache;
  return cache.Get(pattern);
}

Value Malformed(const re2::RE2& regex) {
  return Value::Error(fmt::format("error parsing regexp: {}: `{}`", regex.error(), regex.pattern()));
}

Value Matches(Args a) {
  const auto regex = Compiled(a[1].text());
  if (!regex->ok()) return Malformed(*regex);
  return Value::Bool(re2::RE2::PartialMatch(Piece(a[0].text()), *regex));
}

Value Find(Args a) {
  const auto regex = Compiled(a[1].text());
  if (!regex->ok()) return Malformed(*regex);
  StringPiece found;
  const StringPiece text = Piece(a[0].text());
  if (!regex->Match(text, 0, text.size(), re2::RE2::UNANCHORED, &found, 1)) return Value::String("");
  return Value::String({found.data(), found.size()});
}

Value FindAll(Args a) {
  const auto regex = Compiled(a[1].text());
  if (!regex->ok()) return Malformed(*regex);
  const std::int64_t limit = a.size() > 2 ? a[2].integer() : -1;
  std::vector<Value> out;
  const StringPiece text = Piece(a[0].text());
  StringPiece found;
  for (std::size_t at = 0; at <= text.size() && (limit < 0 || out.size() < static_cast<std::size_t>(limit));) {
    if (!regex->Match(text, at, text.size(), re2::RE2::UNANCHORED, &found, 1)) break;
    out.push_back(Value::String({found.data(), found.size()}));
    const auto end = static_cast<std::size_t>(found.data() - text.data()) + found.size();
    at = found.empty() ? end + 1 : end;
  }
  return Value::List(std::move(out));
}

constexpr FunctionDefinition kDefinitions[] = {
    {"matches", "string, string -> bool", Matches, CallCost::kRegex},
    {".matches", "string, string -> bool", Matches, CallCost::kRegex},
    {".find", "string, string -> string", Find, CallCost::kRegex},
    {".findAll", "string, string -> list(string)", FindAll, CallCost::kRegex},
    {".findAll", "string, string, int -> list(string)", FindAll, CallCost::kRegex},
};

}  // namespace

std::string RegexProblem(std::string_view pattern) {
  const auto regex = Compiled(pattern);
  return regex->ok() ? "" : std::string(Malformed(*regex).text());
}

std::span<const FunctionDefinition> library::Regexes() { return kDefinitions; }

}  // namespace minikube::cel
