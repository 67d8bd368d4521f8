// Who is attached to the container (kubectl attach): each gets a copy of its output, and may write to its input.
// Plain (see plain.h).
//
// They connect to a socket in the container's directory and send a byte with descriptors: which of 1 (stdin to read
// from), 2 (stdout) and 4 (stderr to write to) come along, in that order. They are welcomed by a byte, with the
// terminal if there is one, of which they may set the size. Closing the connection ends it, from either side.
//
// Back pressure: the container's output is read only when everyone who is attached has room for a piece of it in their
// pipe, so one who does not read slows the container down, as with other runtimes. Input waits in its writer's pipe.
#pragma once

#include <cstddef>

#include <poll.h>

namespace minikube::oci::plain {

constexpr const char* kAttachSocket = "attach.sock";

class Attachments {
 public:
  static constexpr std::size_t kMost = 16;              // at a time; more are turned away
  static constexpr std::size_t kPolls = 2 + 4 * kMost;  // that Poll wants at most
  static constexpr std::size_t kPiece = 4096;           // fits a pipe that poll calls writable

  // Listens in the current directory. False if it cannot.
  bool Listen();
  // The container's input (-1 = none); `terminal` is of it, -1 = none. With `once` the input ends when the first one's
  // does who is attached to it, unless it is a terminal.
  void SetInput(int input, int terminal, bool once);

  bool any() const { return count_ > 0; }
  // Whether somebody had no room for stdout (0) or stderr (1), and Poll waits for that.
  bool stalled(int output) const;
  // Whether everyone has room for a piece of stdout (0) or stderr (1).
  bool Room(int output);
  // Hands a piece, of kPiece at most, to everyone.
  void Copy(int output, const char* data, std::size_t size);
  // The container has ended: who does not keep up gets what fits, and holds nothing up.
  void Hurry();

  // What to wait for: fills `polls` and gives their number; afterwards Handle takes them back.
  std::size_t Poll(pollfd* polls);
  void Handle(const pollfd* polls, std::size_t size);

 private:
  struct Attached {
    int control = -1;  // -1 = free
    int in = -1;
    int out[2] = {-1, -1};
    bool stalled[2] = {false, false};
    bool greeted = false;
  };
  void Accept();
  void Greet(Attached& one);
  void TakeInput(Attached& one);
  void FlushInput();
  void CloseInput();
  void Detach(Attached& one);
  void HandleOne(Attached& one, const pollfd* polls);

  int listener_ = -1;
  int input_ = -1;
  int terminal_ = -1;
  bool once_ = false;
  bool hurry_ = false;
  std::size_t count_ = 0;
  Attached attached_[kMost];
  char pending_[kPiece];  // input that the container has not taken yet
  std::size_t pending_size_ = 0;
};

}  // namespace minikube::oci::plain
