// A table of nftables (nft(8), family ip) as it should be, and the text for `nft -f -` that makes the kernel's one so.
//
// Whoever wants something changed says what should be there; what differs from what was last loaded becomes one
// transaction, which nft applies as a whole or not at all. The first text, and the first after Forget, replaces
// whatever table of that name is there.
// Thread safety: one thread at a time.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace minikube::network {

// A set or a map: "set" or "map", and what stands between its braces ("type ipv4_addr; flags interval;").
struct SetKind {
  std::string keyword = "set";
  std::string body;
  friend bool operator==(const SetKind&, const SetKind&) = default;
};

// Keys to values; a set's values are empty.
using Elements = std::map<std::string, std::string>;
using Rules = std::vector<std::string>;

// What a table holds.
struct TableContent {
  struct Set {
    SetKind kind;
    Elements elements;
  };
  std::map<std::string, Set> sets;
  std::map<std::string, Rules> chains;  // one that starts from a hook says so in its first line ("type nat hook ...")
};

class Table {
 public:
  explicit Table(std::string name) : name_(std::move(name)) {}

  const std::string& name() const { return name_; }
  const TableContent& content() const { return content_; }

  // A set keeps its elements when it is put again. Its kind does not change as long as it has its name.
  void PutSet(const std::string& name, SetKind kind);
  void DropSet(const std::string& name);
  void PutChain(const std::string& name, Rules rules);
  void DropChain(const std::string& name);
  // The set must be there.
  void PutElement(const std::string& set, const std::string& key, const std::string& value = "");
  void DropElement(const std::string& set, const std::string& key);
  // Makes it hold this and nothing else.
  void Bring(const TableContent& want);

  // Whether there is something to load.
  bool changed() const;
  // The text that makes the kernel's table so; from then on that counts as done.
  std::string TakeChanges();
  // What the kernel has is not known (a load failed).
  void Forget() { known_ = false; }
  // The text that removes the table, whether it is there or not.
  std::string Removal() const;

 private:
  using ElementKey = std::pair<std::string, std::string>;  // set, key

  std::string Whole() const;
  std::string Difference() const;

  const std::string name_;
  TableContent content_;
  bool known_ = false;
  // What was loaded, of what has changed since: whether the chain or set was there, the element's value.
  std::map<std::string, bool> chains_before_;
  std::map<std::string, std::optional<SetKind>> sets_before_;
  std::map<ElementKey, std::optional<std::string>> elements_before_;
};

}  // namespace minikube::network
