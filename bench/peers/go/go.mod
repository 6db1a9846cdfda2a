module vestibule-peer

go 1.19
