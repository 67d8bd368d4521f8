// jsonpatch.escapeKey: a name as a step of a JSON pointer (RFC 6901).
#include <string>

#include "cel/function.h"

namespace minikube::cel {
namespace {

Value EscapeKey(std::span<const Value> args) {
  std::string out;
  for (const char c : args[0].text()) {
    if (c == '~') {
      out += "~0";
    } else if (c == '/') {
      out += "~1";
    } else {
      out += c;
    }
  }
  return Value::String(out);
}

constexpr FunctionDefinition kDefinitions[] = {
    {"jsonpatch.escapeKey", "string -> string", EscapeKey, CallCost::kTraverseFirst},
};

}  // namespace

std::span<const FunctionDefinition> library::JsonPatches() { return kDefinitions; }

}  // namespace minikube::cel
