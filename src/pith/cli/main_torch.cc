#include "pith/cli/torch_bodies.h"

int main(int argc, char** argv) { return pith::run_program(argc, argv, &pith::kTorchBodies); }
