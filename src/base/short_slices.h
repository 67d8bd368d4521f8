// How soon a thread runs when what it waited for is there, on a machine whose cores are all busy.
#pragma once

namespace minikube::base {

// Asks the scheduler to give the calling thread its share in short slices. Linux (6.12 and later) otherwise lets a
// thread that runs go on for some 3 ms while another is ready: each disk write and each hand-over between threads would
// take that long beside a compiler, say, or a pod that computes. It neither takes more than its share, nor does what
// runs meanwhile on the thread's core (the kernel's worker that flushes the disk, for one) have to wait for it.
//
// Does nothing where the scheduler knows no slices, or the thread is not scheduled by shares. What the thread starts,
// processes above all, does not inherit it.
void TakeShortSlices();

}  // namespace minikube::base
