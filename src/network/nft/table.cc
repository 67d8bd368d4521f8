#include "network/nft/table.h"

#include <iterator>

#include <fmt/format.h>

namespace minikube::network {
namespace {

using Out = std::back_insert_iterator<std::string>;

// So many elements stand in one command: nft reads a command as a whole.
constexpr std::size_t kElementsOfCommand = 4096;

// Commands about elements of one set, several in each.
class ElementCommands {
 public:
  ElementCommands(std::string& text, std::string verb, const std::string& table)
      : text_(text), verb_(std::move(verb)), table_(table) {}
  ~ElementCommands() { End(); }
  ElementCommands(const ElementCommands&) = delete;
  ElementCommands& operator=(const ElementCommands&) = delete;

  void Add(const std::string& set, const std::string& key, const std::string& value) {
    if (count_ == kElementsOfCommand || (count_ != 0 && set != set_)) End();
    if (count_ == 0) {
      fmt::format_to(Out(text_), "{} element ip {} {} {{ ", verb_, table_, set);
    } else {
      text_ += ",\n  ";
    }
    set_ = set;
    text_ += key;
    if (!value.empty()) fmt::format_to(Out(text_), " : {}", value);
    ++count_;
  }

 private:
  void End() {
    if (count_ != 0) text_ += " }\n";
    count_ = 0;
  }

  std::string& text_;
  const std::string verb_;
  const std::string& table_;
  std::string set_;
  std::size_t count_ = 0;
};

}  // namespace

void Table::PutSet(const std::string& name, SetKind kind) {
  const auto it = content_.sets.find(name);
  if (it != content_.sets.end()) return;
  sets_before_.emplace(name, std::nullopt);
  content_.sets[name].kind = std::move(kind);
}

void Table::DropSet(const std::string& name) {
  const auto it = content_.sets.find(name);
  if (it == content_.sets.end()) return;
  while (!it->second.elements.empty()) DropElement(name, std::string(it->second.elements.begin()->first));
  sets_before_.emplace(name, it->second.kind);
  content_.sets.erase(it);
}

void Table::PutChain(const std::string& name, Rules rules) {
  const auto [it, added] = content_.chains.try_emplace(name);
  if (!added && it->second == rules) return;
  chains_before_.emplace(name, !added);
  it->second = std::move(rules);
}

void Table::DropChain(const std::string& name) {
  if (content_.chains.erase(name) != 0) chains_before_.emplace(name, true);
}

void Table::PutElement(const std::string& set, const std::string& key, const std::string& value) {
  const auto [it, added] = content_.sets.at(set).elements.try_emplace(key, value);
  if (!added && it->second == value) return;
  elements_before_.emplace(ElementKey(set, key), added ? std::nullopt : std::optional(it->second));
  it->second = value;
}

void Table::DropElement(const std::string& set, const std::string& key) {
  Elements& elements = content_.sets.at(set).elements;
  const auto it = elements.find(key);
  if (it == elements.end()) return;
  elements_before_.emplace(ElementKey(set, key), it->second);
  elements.erase(it);
}

void Table::Bring(const TableContent& want) {
  std::vector<std::string> gone;
  for (const auto& [name, chain] : content_.chains) {
    if (!want.chains.contains(name)) gone.push_back(name);
  }
  for (const std::string& name : gone) DropChain(name);
  gone.clear();
  for (const auto& [name, set] : content_.sets) {
    if (!want.sets.contains(name)) gone.push_back(name);
  }
  for (const std::string& name : gone) DropSet(name);
  for (const auto& [name, set] : want.sets) {
    PutSet(name, set.kind);
    std::vector<std::string> left;
    for (const auto& [key, value] : content_.sets[name].elements) {
      if (!set.elements.contains(key)) left.push_back(key);
    }
    for (const std::string& key : left) DropElement(name, key);
    for (const auto& [key, value] : set.elements) PutElement(name, key, value);
  }
  for (const auto& [name, rules] : want.chains) PutChain(name, rules);
}

bool Table::changed() const {
  return !known_ || !chains_before_.empty() || !sets_before_.empty() || !elements_before_.empty();
}

std::string Table::TakeChanges() {
  std::string text = known_ ? Difference() : Whole();
  known_ = true;
  chains_before_.clear();
  sets_before_.clear();
  elements_before_.clear();
  return text;
}

// Adding before deleting makes the deletion valid whether or not the table is there.
std::string Table::Removal() const { return fmt::format("table ip {0} {{}}\ndelete table ip {0}\n", name_); }

std::string Table::Whole() const {
  std::string text = Removal() + fmt::format("table ip {} {{\n", name_);
  for (const auto& [name, set] : content_.sets) {
    fmt::format_to(Out(text), "  {} {} {{\n    {}\n  }}\n", set.kind.keyword, name, set.kind.body);
  }
  for (const auto& [name, rules] : content_.chains) {
    fmt::format_to(Out(text), "  chain {} {{\n", name);
    for (const std::string& rule : rules) fmt::format_to(Out(text), "    {}\n", rule);
    text += "  }\n";
  }
  text += "}\n";
  ElementCommands add(text, "add", name_);
  for (const auto& [name, set] : content_.sets) {
    for (const auto& [key, value] : set.elements) add.Add(name, key, value);
  }
  return text;
}

// What is referred to comes before what refers to it, and goes after it.
std::string Table::Difference() const {
  std::string text;
  const auto command = [&](std::string_view what, const std::string& name, std::string_view rest = "") {
    fmt::format_to(Out(text), "{} ip {} {}{}\n", what, name_, name, rest);
  };
  for (const auto& [name, before] : sets_before_) {
    const auto it = content_.sets.find(name);
    if (it == content_.sets.end() || before) continue;
    command("add " + it->second.kind.keyword, name, fmt::format(" {{ {} ; }}", it->second.kind.body));
  }
  for (const auto& [name, was] : chains_before_) {
    if (!was && content_.chains.contains(name)) command("add chain", name);
  }
  for (const auto& [name, was] : chains_before_) {
    if (was) command("flush chain", name);
    const auto it = content_.chains.find(name);
    if (it == content_.chains.end()) continue;
    for (const std::string& rule : it->second) command("add rule", name, " " + rule);
  }
  {
    ElementCommands remove(text, "delete", name_);
    for (const auto& [where, before] : elements_before_) {
      const auto& [set, key] = where;
      const auto it = content_.sets.find(set);
      if (!before) continue;
      // What is in a set that goes, goes with it.
      if (it == content_.sets.end()) continue;
      const auto now = it->second.elements.find(key);
      if (now == it->second.elements.end() || now->second != *before) remove.Add(set, key, "");
    }
  }
  {
    ElementCommands add(text, "add", name_);
    for (const auto& [where, before] : elements_before_) {
      const auto& [set, key] = where;
      const auto it = content_.sets.find(set);
      if (it == content_.sets.end()) continue;
      const auto now = it->second.elements.find(key);
      if (now != it->second.elements.end() && (!before || *before != now->second)) add.Add(set, key, now->second);
    }
  }
  // An element of a set that goes may lead to a chain that goes.
  for (const auto& [name, before] : sets_before_) {
    if (before && !content_.sets.contains(name)) command("delete " + before->keyword, name);
  }
  for (const auto& [name, was] : chains_before_) {
    if (was && !content_.chains.contains(name)) command("delete chain", name);
  }
  return text;
}

}  // namespace minikube::network
