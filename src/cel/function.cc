#include "cel/function.h"

#include <deque>
#include <map>
#include <string>
#include <utility>

namespace minikube::cel {
namespace {

std::uint32_t Bit(Kind kind) { return std::uint32_t{1} << static_cast<unsigned>(kind); }
constexpr std::uint32_t kAny = ~std::uint32_t{0};

std::uint32_t MaskOf(const Type& type) {
  switch (type.kind) {
    case Type::Kind::kDyn:
    case Type::Kind::kParam:
    case Type::Kind::kObject:
      return kAny;
    case Type::Kind::kNull:
      return Bit(Kind::kNull);
    case Type::Kind::kBool:
      return Bit(Kind::kBool);
    case Type::Kind::kInt:
      return Bit(Kind::kInt);
    case Type::Kind::kUint:
      return Bit(Kind::kUint);
    case Type::Kind::kDouble:
      return Bit(Kind::kDouble);
    case Type::Kind::kString:
      return Bit(Kind::kString);
    case Type::Kind::kBytes:
      return Bit(Kind::kBytes);
    case Type::Kind::kTimestamp:
      return Bit(Kind::kTimestamp);
    case Type::Kind::kDuration:
      return Bit(Kind::kDuration);
    case Type::Kind::kList:
      return Bit(Kind::kList);
    case Type::Kind::kMap:
      return Bit(Kind::kMap);
    case Type::Kind::kOptional:
      return Bit(Kind::kOptional);
    case Type::Kind::kType:
      return Bit(Kind::kType);
    case Type::Kind::kOpaque:
      return Bit(Kind::kOpaque);
  }
  return kAny;
}

struct Registry {
  std::deque<Overload> overloads;
  std::map<std::pair<std::string_view, bool>, std::vector<const Overload*>> by_name;

  Registry() {
    using namespace library;  // NOLINT(google-build-using-namespace): the list of all libraries
    for (const auto& definitions : {Operators(), Conversions()}) {
      for (const FunctionDefinition& definition : definitions) Add(definition, true);
    }
    for (const auto& definitions : {Strings(), Times(), JsonPatches(), Lists(), Optionals(), Regexes(), Urls(),
                                    Quantities(), Networks(), Formats(), Semvers(), Authorizers()}) {
      for (const FunctionDefinition& definition : definitions) Add(definition, IsOfLists(definition.cost));
    }
  }

  static bool IsOfLists(CallCost cost) { return cost == CallCost::kListSort; }

  void Add(const FunctionDefinition& definition, bool priced_by_overload) {
    Overload& overload = overloads.emplace_back();
    overload.member = definition.name.starts_with('.');
    overload.function = overload.member ? definition.name.substr(1) : definition.name;
    overload.body = definition.body;
    overload.cost = definition.cost;
    overload.priced_by_overload = priced_by_overload;
    const std::size_t arrow = definition.signature.find("->");
    // A list type whose parameters are the function's.
    const std::string list = "list(" + std::string(definition.signature.substr(0, arrow)) + ")";
    overload.params = types::Parse(list)->params;
    overload.result = types::Parse(definition.signature.substr(arrow + 2));
    for (std::size_t i = 0; i < overload.params.size(); ++i) overload.masks[i] = MaskOf(*overload.params[i]);
    // Any whole number is an index of a list, if it is only known to be a number when it is evaluated.
    if (overload.function.starts_with("_[") && overload.params[1]->kind == Type::Kind::kInt) {
      overload.masks[1] |= Bit(Kind::kUint) | Bit(Kind::kDouble);
    }
    by_name[{overload.function, overload.member}].push_back(&overload);
  }
};

const Registry& TheRegistry() {
  static const Registry registry;
  return registry;
}

}  // namespace

bool Overload::Takes(std::span<const Value> args) const {
  if (args.size() != params.size()) return false;
  for (std::size_t i = 0; i < args.size(); ++i) {
    if ((masks[i] & Bit(args[i].kind())) == 0) return false;
    if (params[i]->kind == Type::Kind::kOpaque && args[i].opaque().type_name() != params[i]->name.view()) return false;
  }
  return true;
}

std::span<const Overload* const> FindFunction(std::string_view name, bool member) {
  const auto& by_name = TheRegistry().by_name;
  const auto it = by_name.find({name, member});
  if (it == by_name.end()) return {};
  return it->second;
}

bool IsFunction(std::string_view name) {
  return !FindFunction(name, true).empty() || !FindFunction(name, false).empty();
}

}  // namespace minikube::cel
