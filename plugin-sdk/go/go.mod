module plugbus

go 1.27
