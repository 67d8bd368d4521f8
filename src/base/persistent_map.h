// PersistentMap: an ordered map whose copies cost one pointer. Changing one copies the path from the root to the entry
// and shares the rest with every other copy, so a snapshot of any size is free and readers never meet a writer.
//
// A weight-balanced tree (Hirai & Yamamoto, "Balancing weight-balanced trees", 2011, parameters 3 and 2). Nodes are
// reference counted; a node that only this copy refers to is changed in place, so a batch of changes to one copy
// allocates each path node once. The key is part of the entry: Order says where it is and how keys compare.
//
//   struct Order {
//     using Key = ...;                                            // cheap to copy, e.g. a string_view
//     static Key KeyOf(const Entry&);
//     static std::strong_ordering Compare(const Key&, const Key&);
//   };
//
// Diff of two copies visits what they do not share, and so costs what has changed between them, not their size.
//
// Thread safety: distinct copies may be used from different threads, whatever they share. Iterators borrow the copy
// they came from, which must neither change nor go while they are in use.
#pragma once

#include <array>
#include <atomic>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace minikube {

template <typename Entry, typename Order>
class PersistentMap {
  struct Node;

 public:
  using Key = typename Order::Key;

  PersistentMap() = default;
  PersistentMap(const PersistentMap& o) : root_(Share(o.root_)) {}
  PersistentMap(PersistentMap&& o) noexcept : root_(std::exchange(o.root_, nullptr)) {}
  PersistentMap& operator=(PersistentMap o) noexcept {
    std::swap(root_, o.root_);
    return *this;
  }
  ~PersistentMap() { Drop(root_); }

  // From entries in strictly ascending key order; O(n).
  static PersistentMap FromSorted(std::vector<Entry> entries) {
    PersistentMap map;
    map.root_ = Build(entries, 0, entries.size());
    return map;
  }

  std::size_t size() const { return Size(root_); }
  bool empty() const { return root_ == nullptr; }
  // True when both are the same snapshot (cheaper than, and implying, equality).
  bool same(const PersistentMap& o) const { return root_ == o.root_; }

  // The entry of that key, or null; valid as long as this copy is unchanged.
  const Entry* Find(const Key& key) const {
    for (const Node* n = root_; n != nullptr;) {
      const std::strong_ordering order = Order::Compare(key, Order::KeyOf(n->entry));
      if (order == 0) return &n->entry;
      n = order < 0 ? n->left : n->right;
    }
    return nullptr;
  }

  // Inserts, or replaces the entry of the same key.
  void Set(Entry entry) { root_ = SetIn(std::exchange(root_, nullptr), std::move(entry)); }

  // Returns whether it was there.
  bool Erase(const Key& key) {
    if (Find(key) == nullptr) return false;  // so that a miss copies nothing
    root_ = EraseIn(std::exchange(root_, nullptr), key);
    return true;
  }

  // How many entries have a smaller key.
  std::size_t Rank(const Key& key) const {
    std::size_t rank = 0;
    for (const Node* n = root_; n != nullptr;) {
      if (Order::Compare(Order::KeyOf(n->entry), key) < 0) {
        rank += Size(n->left) + 1;
        n = n->right;
      } else {
        n = n->left;
      }
    }
    return rank;
  }

  class Iterator {
   public:
    const Entry& operator*() const { return stack_[depth_ - 1]->entry; }
    const Entry* operator->() const { return &stack_[depth_ - 1]->entry; }
    explicit operator bool() const { return depth_ != 0; }  // false: past the end
    Iterator& operator++() {
      const Node* n = stack_[--depth_]->right;
      Descend(n);
      return *this;
    }

   private:
    friend class PersistentMap;
    void Descend(const Node* n) {
      for (; n != nullptr; n = n->left) stack_[depth_++] = n;
    }
    // Weights of siblings differ by at most a factor of 3, so a path of 78 nodes needs more than 2^32 entries.
    std::array<const Node*, 80> stack_;
    std::size_t depth_ = 0;
  };

  Iterator Begin() const {
    Iterator it;
    it.Descend(root_);
    return it;
  }
  // At the first entry whose key is not smaller than `key`.
  Iterator LowerBound(const Key& key) const {
    Iterator it;
    for (const Node* n = root_; n != nullptr;) {
      if (Order::Compare(Order::KeyOf(n->entry), key) < 0) {
        n = n->right;
      } else {
        it.stack_[it.depth_++] = n;
        n = n->left;
      }
    }
    return it;
  }

  // Calls `differs(before, after)` in key order for every key that the two do not have alike: `before` is null for what
  // only `to` has, `after` for what only `from` has. `same(before, after)` compares entries of one key. Subtrees that
  // both share are passed over: O(changes * log n) for copies of one map, however far their trees were rebalanced.
  template <typename Same, typename Differs>
  static void Diff(const PersistentMap& from, const PersistentMap& to, const Same& same, const Differs& differs) {
    Walk a(from.root_);
    Walk b(to.root_);
    while (!a.done() || !b.done()) {
      if (a.done() || b.done()) {
        // Nothing stands against the rest.
        Walk& rest = a.done() ? b : a;
        if (rest.whole()) {
          rest.Expand();
        } else if (a.done()) {
          differs(nullptr, &b.Take());
        } else {
          differs(&a.Take(), nullptr);
        }
        continue;
      }
      if (a.whole() || b.whole()) {
        if (a.whole() && b.whole() && a.top() == b.top()) {
          a.Skip();
          b.Skip();
          continue;
        }
        // The larger one is opened, for the smaller one may be in it; of two equal ones neither can be in the other.
        const std::size_t left = a.whole() ? a.top()->size : 0;
        const std::size_t right = b.whole() ? b.top()->size : 0;
        if (left >= right) a.Expand();
        if (right >= left) b.Expand();
        continue;
      }
      const std::strong_ordering order = Order::Compare(Order::KeyOf(a.top()->entry), Order::KeyOf(b.top()->entry));
      if (order < 0) {
        differs(&a.Take(), nullptr);
      } else if (order > 0) {
        differs(nullptr, &b.Take());
      } else {
        const Entry& before = a.Take();
        const Entry& after = b.Take();
        if (!same(before, after)) differs(&before, &after);
      }
    }
  }

 private:
  struct Node {
    std::atomic<std::uint32_t> refs{1};
    std::uint32_t size = 1;
    Node* left = nullptr;
    Node* right = nullptr;
    Entry entry;
  };

  // What is left of a map in key order, as a stack of whole subtrees and single nodes.
  class Walk {
   public:
    explicit Walk(const Node* root) { Push(root, true); }
    bool done() const { return stack_.empty(); }
    const Node* top() const { return stack_.back().node; }
    bool whole() const { return stack_.back().whole; }
    void Skip() { stack_.pop_back(); }
    const Entry& Take() {
      const Node* n = top();
      stack_.pop_back();
      return n->entry;
    }
    // A subtree becomes its left one, its root and its right one.
    void Expand() {
      const Node* n = top();
      stack_.pop_back();
      Push(n->right, true);
      Push(n, false);
      Push(n->left, true);
    }

   private:
    struct Part {
      const Node* node;
      bool whole;
    };
    void Push(const Node* n, bool whole) {
      if (n != nullptr) stack_.push_back({n, whole});
    }
    std::vector<Part> stack_;
  };

  static std::size_t Size(const Node* n) { return n != nullptr ? n->size : 0; }
  static std::size_t Weight(const Node* n) { return Size(n) + 1; }
  static Node* Share(Node* n) {
    if (n != nullptr) n->refs.fetch_add(1, std::memory_order_relaxed);
    return n;
  }
  static void Drop(Node* n) {
    while (n != nullptr && n->refs.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      Drop(n->left);
      delete std::exchange(n, n->right);
    }
  }
  // Takes over the reference `n` and gives one that nobody else holds, with the same contents.
  static Node* Own(Node* n) {
    if (n->refs.load(std::memory_order_acquire) == 1) return n;
    Node* copy = new Node{1, n->size, Share(n->left), Share(n->right), n->entry};
    Drop(n);
    return copy;
  }
  static void Resize(Node* n) { n->size = static_cast<std::uint32_t>(Size(n->left) + Size(n->right) + 1); }

  static Node* RotateLeft(Node* n) {
    Node* r = Own(n->right);
    n->right = std::exchange(r->left, n);
    Resize(n);
    Resize(r);
    return r;
  }
  static Node* RotateRight(Node* n) {
    Node* l = Own(n->left);
    n->left = std::exchange(l->right, n);
    Resize(n);
    Resize(l);
    return l;
  }
  // `n` is owned and at most one insertion or removal away from balance.
  static Node* Balance(Node* n) {
    Resize(n);
    if (Weight(n->left) * 3 < Weight(n->right)) {
      if (Weight(n->right->left) >= Weight(n->right->right) * 2) n->right = RotateRight(Own(n->right));
      return RotateLeft(n);
    }
    if (Weight(n->right) * 3 < Weight(n->left)) {
      if (Weight(n->left->right) >= Weight(n->left->left) * 2) n->left = RotateLeft(Own(n->left));
      return RotateRight(n);
    }
    return n;
  }

  static Node* SetIn(Node* n, Entry&& entry) {
    if (n == nullptr) return new Node{1, 1, nullptr, nullptr, std::move(entry)};
    n = Own(n);
    const std::strong_ordering order = Order::Compare(Order::KeyOf(entry), Order::KeyOf(n->entry));
    if (order == 0) {
      n->entry = std::move(entry);
      return n;
    }
    Node*& child = order < 0 ? n->left : n->right;
    child = SetIn(child, std::move(entry));
    return Balance(n);
  }
  static Node* EraseIn(Node* n, const Key& key) {
    n = Own(n);
    const std::strong_ordering order = Order::Compare(key, Order::KeyOf(n->entry));
    if (order < 0) {
      n->left = EraseIn(n->left, key);
    } else if (order > 0) {
      n->right = EraseIn(n->right, key);
    } else {
      Node* left = std::exchange(n->left, nullptr);
      Node* right = std::exchange(n->right, nullptr);
      Drop(n);
      if (left == nullptr) return right;
      if (right == nullptr) return left;
      Node* successor = nullptr;
      right = TakeFirst(right, successor);
      successor->left = left;
      successor->right = right;
      return Balance(successor);
    }
    return Balance(n);
  }
  // Detaches the first node into `first` (owned, without children); gives the rest.
  static Node* TakeFirst(Node* n, Node*& first) {
    n = Own(n);
    if (n->left == nullptr) {
      first = n;
      return std::exchange(n->right, nullptr);
    }
    n->left = TakeFirst(n->left, first);
    return Balance(n);
  }
  static Node* Build(std::vector<Entry>& entries, std::size_t from, std::size_t to) {
    if (from == to) return nullptr;
    const std::size_t middle = from + (to - from) / 2;
    Node* left = Build(entries, from, middle);
    Node* right = Build(entries, middle + 1, to);
    return new Node{1, static_cast<std::uint32_t>(to - from), left, right, std::move(entries[middle])};
  }

  Node* root_ = nullptr;
};

}  // namespace minikube
